"""``python -m scribbleseg``: the same as the command ``scribbleseg``."""

import sys

from scribbleseg.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

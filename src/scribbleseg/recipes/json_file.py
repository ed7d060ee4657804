"""The small JSON files that runs and stages leave, read."""

import json
from pathlib import Path
from typing import Any

from scribbleseg.errors import RunError

__all__ = ["read_json"]


def read_json(path: Path) -> dict[str, Any]:
    """The content of a file; empty if there is none.

    Raises:
        RunError: It is damaged.
    """
    content: Any = None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        pass
    if not isinstance(content, dict):
        raise RunError(
            f"{path}: is damaged, no JSON object; delete this file alone and give the command again"
        )
    return content

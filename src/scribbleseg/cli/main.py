"""The command ``scribbleseg``: finds a command's module; our errors become a line and exit code 2.

Nothing heavy is imported here: ``scribbleseg --help`` answers at once.
"""

import difflib
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from scribbleseg import __version__
from scribbleseg.errors import Interrupted, ScribblesegError

__all__ = ["main"]

COMMANDS = {
    "demo": ("demo", "train on the embedded example, print IoU per class, draw a picture"),
    "fit": ("train", "train a method on a dataset, then test it"),
    "validate": ("train", "score a run on its validation images"),
    "test": ("train", "predict a run's test images, score and draw them"),
    "predict": ("train", "predict any picture, or folder of pictures, with a run"),
    "pseudolabel": ("train", "write the labels of a next stage with a run"),
    "run": ("run", "run the stages of a recipe, e.g. train, pseudo labels, train again"),
    "export": ("export", "write a run's model as a folder or ONNX file for others"),
    "convert": ("convert", "turn a published checkpoint into a model folder"),
    "prepare": ("prepare", "make a published dataset ready to train on"),
    "import": ("import_annotations", "make a dataset of an annotation tool's files"),
    "export-labels": (
        "export_labels",
        "write label images for an annotation tool, to correct them",
    ),
    "simulate": ("derived", "draw scribbles into a dataset's masks"),
    "perturb": ("derived", "shorten or drop the scribbles of a dataset"),
    "robustness": ("robustness", "train with shorter and with fewer strokes; a table and a plot"),
    "distance": ("derived", "write a dataset's distance maps"),
    "check": ("check", "audit a dataset before training on it"),
    "evaluate": ("evaluate", "compare two folders of label images, whoever made them"),
    "compare-labels": ("compare_labels", "score the pseudo labels of several sources; one table"),
    "benchmark": ("benchmark", "train methods and seeds of a grid; one table with spread and cost"),
}
"""Module below ``scribbleseg.cli`` and one line of help for each command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; those of the process if omitted.

    Returns:
        Exit code: 0 done, 2 wrong usage or bad input.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    if debug:
        arguments.remove("--debug")
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0
    if arguments[0] == "--version":
        print(f"scribbleseg {__version__}")
        return 0

    command, *rest = arguments
    if command not in COMMANDS:
        close = difflib.get_close_matches(command, COMMANDS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return _fail(f"no command {command!r}{hint} Commands: {', '.join(COMMANDS)}")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("scribbleseg").setLevel(logging.INFO)
    # OpenMP threads that spin while they wait made a training step up to 20 times slower on small
    # virtual machines.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Read by the argument parser when it is imported; its notes on its own future are for us, not
    # for users.
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    # Classes of your own lie beside you; at the end, so that no file there hides a library.
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(f"scribbleseg.cli.{COMMANDS[command][0]}")
        code: int = module.run(command, rest)
    except Interrupted as error:
        # Of several processes the first one speaks, and returns the code.
        if int(os.environ.get("LOCAL_RANK", "0")):
            return 0
        _fail(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _fail("stopped")
        return 130
    except (ScribblesegError, OSError) as error:
        if debug:
            raise
        return _fail(_one_line(error))
    return code


def _one_line(error: Exception) -> str:
    """The message for the user, which a loader's worker process buries under its traceback."""
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    message = str(error)
    marker = f"{type(error).__module__}.{type(error).__name__}: "
    if message.startswith("Caught ") and marker in message:
        message = message.rpartition(marker)[2].strip().splitlines()[0]
    return message


def usage() -> str:
    """Text of ``scribbleseg --help``."""
    lines = [f"  {name:<14} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            f"scribbleseg {__version__}: semantic segmentation from scribbles",
            "",
            "usage: scribbleseg COMMAND [OPTIONS]      (scribbleseg COMMAND --help lists the "
            "options)",
            "",
            *lines,
            "",
            "  --version      print the version",
            "  --debug        print a traceback with an error",
        ]
    )


def _fail(message: str) -> int:
    print(f"scribbleseg: error: {message}", file=sys.stderr)
    return 2

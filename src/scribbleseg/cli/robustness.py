"""``robustness``: train with shorter and with fewer strokes; a table and a plot."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser

from scribbleseg.annotation.folder_lock import FolderLock
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.cli.configs import find_config
from scribbleseg.cli.console import say
from scribbleseg.cli.explain import explain
from scribbleseg.errors import ConfigError
from scribbleseg.recipes.child_process import run_in_child
from scribbleseg.recipes.robustness import (
    Robustness,
    cells_of,
    draw_robustness,
    run_robustness,
    table_of,
)
from scribbleseg.recipes.training_images import test_list, training_images

__all__ = ["run"]

OWN = ("--config", "--shrink", "--drop", "--seeds", "--out", "--help", "-h", "--dry-run")


def run(command: str, argv: Sequence[str]) -> int:
    """Train with every ratio, and show what it costs.

    Raises:
        ScribblesegError: Anything a user can mend; finished trainings are kept.
    """
    parser = ArgumentParser(
        prog="scribbleseg robustness",
        description=(
            "Train a config with shorter strokes and with fewer of them, and write a table "
            "(robustness.csv, robustness.md) and a plot (robustness.png). Trainings that are "
            "finished are not run again. Further options are those of 'fit', for every training."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=str, required=True, help="Config of the training.")
    parser.add_argument("--out", type=str, required=True, help="Folder of runs, table and plot.")
    parser.add_argument(
        "--shrink",
        type=list[float],
        default=[0.5, 0.3, 0.1, 0.0],
        help="Shares of each stroke's length that are kept; 0 leaves a dot.",
    )
    parser.add_argument(
        "--drop",
        type=list[float],
        default=[0.1, 0.2, 0.3, 0.4, 0.5],
        help="Shares of the strokes that are removed, never the last of a class in an image.",
    )
    parser.add_argument("--seeds", type=list[int], default=[0], help="One training each.")
    parser.add_argument(
        "--dry-run", action="store_true", help="Say what would be trained, and change nothing."
    )
    own, others = _split(argv)
    try:
        options = parser.parse_args(own)
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    cells = cells_of(options.shrink, options.drop, options.seeds)
    folder = Path(options.out)
    config, data = find_config(options.config), _data_options(others)
    if test_list(config, data) is None:
        raise ConfigError(
            f"{config}: data.test is null, so that nothing would be scored; add --data.test LIST, "
            "e.g. all"
        )
    if options.dry_run:
        for cell in cells:
            say(f"{folder / 'runs' / cell.name}")
        return 0
    layout, root, names = training_images(config, data)
    test = Robustness(folder, str(config), layout, root, names, tuple(others))
    lock = FolderLock(folder)
    lock.acquire()
    try:
        rows = run_robustness(test, cells, run_in_child, say)
    finally:
        lock.release()
    table = table_of(rows)
    with whole_file(folder / "robustness.md") as unfinished:
        unfinished.write_text(table + "\n", encoding="utf-8")
    draw_robustness(folder / "robustness.png", rows, options.config)
    print(table)
    say(f"plot: {folder / 'robustness.png'}")
    return 0


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own words, and those of ``fit``."""
    own: list[str] = []
    others: list[str] = []
    mine = True
    for word in argv:
        if word.startswith("--") or word == "-h":
            mine = word.partition("=")[0] in OWN
        (own if mine else others).append(word)
    return own, others


def _data_options(others: Sequence[str]) -> dict[str, str]:
    """Options of the dataset among the words for ``fit``."""
    data: dict[str, str] = {}
    words = iter(others)
    for word in words:
        key, equals, value = word.partition("=")
        if key.startswith("--data."):
            data[key.removeprefix("--")] = value if equals else next(words, "")
    return data

"""``check``: audit a dataset before training on it."""

import json
from collections.abc import Sequence

from jsonargparse import ArgumentError, ArgumentParser

from scribbleseg.cli.console import plain_console
from scribbleseg.cli.explain import explain
from scribbleseg.data.dataset_audit import audit_dataset
from scribbleseg.data.layouts import layout_called_like, load_layout
from scribbleseg.data.supervision import KINDS
from scribbleseg.errors import ConfigError, DataError

__all__ = ["run"]


def run(command: str, argv: Sequence[str]) -> int:
    """Audit a dataset; 0: nothing found, 1: warnings, 2: training would be refused.

    Raises:
        ScribblesegError: The dataset cannot be found.
    """
    parser = ArgumentParser(
        prog="scribbleseg check",
        description=(
            "Read every picture, scribble and mask of a dataset and say what is wrong: sizes, "
            "values, unreadable files, empty scribbles, classes that nobody drew, names that do "
            "not match, strokes that contradict the masks. Exit code 0: nothing found, 1: "
            "warnings, 2: training would be refused."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "dataset",
        type=str,
        help="Folder of the dataset; a relative one is looked for as data.root is.",
    )
    parser.add_argument(
        "--layout",
        type=str | None,
        default=None,
        help="As data.layout; by default 'folder' if there is a dataset.yaml, else the layout "
        "that is called like the folder.",
    )
    for split in ("train", "val", "test"):
        parser.add_argument(
            f"--{split}",
            type=str | None,
            default=split,
            help=f"List of the {split} images, as data.{split}; null for none.",
        )
    parser.add_argument(
        "--supervision",
        type=str,
        default="scribble",
        help="What training images bring: scribble, mask or tags.",
    )
    parser.add_argument("--json", action="store_true", help="Print JSON instead of tables.")
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    if options.supervision not in KINDS:
        raise ConfigError(
            f"--supervision: {options.supervision!r} is not one of {', '.join(KINDS)}"
        )

    layout, root = load_layout(
        options.layout or layout_called_like(options.dataset), options.dataset
    )
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    lists = {split: options[split] for split in ("train", "val", "test")}
    for split, name in lists.items():
        if name == split and not layout.has_list(root, name):
            # Nobody asked for this list by name; a folder of pictures needs none.
            lists[split] = "all" if split == "train" else None
    report = audit_dataset(layout, root, lists, supervision=options.supervision)
    if options.json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        report.print(plain_console())
    return report.exit_code

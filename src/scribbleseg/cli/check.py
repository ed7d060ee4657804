"""``check``: audit a dataset, or an annotation tool's files, before training on it."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt

from scribbleseg.annotation.formats import format_names, load_format
from scribbleseg.cli.annotation_options import (
    ANNOTATION_OPTIONS,
    add_annotation_options,
    annotation_options,
    raster_option,
)
from scribbleseg.cli.console import plain_console, say
from scribbleseg.cli.crew import shown_progress
from scribbleseg.cli.explain import explain
from scribbleseg.data.annotation_audit import AnnotationAudit, audit_annotations
from scribbleseg.data.dataset_audit import DatasetAudit, audit_dataset
from scribbleseg.data.layouts import layout_called_like, load_layout
from scribbleseg.data.preparation.production import available_cores
from scribbleseg.data.supervision import KINDS
from scribbleseg.errors import ConfigError, DataError

__all__ = ["run"]

DATASET_OPTIONS = ("layout", "train", "val", "test", "supervision")


def run(command: str, argv: Sequence[str]) -> int:
    """Audit a dataset; 0: nothing found, 1: warnings, 2: training would be refused.

    Raises:
        ScribblesegError: The dataset cannot be found, or the options contradict each other.
    """
    parser = _parser()
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    if options.supervision not in KINDS:
        raise ConfigError(
            f"--supervision: {options.supervision!r} is not one of {', '.join(KINDS)}"
        )
    out_of_place = DATASET_OPTIONS if options.format else (*ANNOTATION_OPTIONS, "workers")
    given = [name for name in out_of_place if options[name] != parser.get_default(name)]
    if given:
        raise ConfigError(
            f"--{given[0]} is for a dataset; leave it out with --format"
            if options.format
            else f"--{given[0]} is for the files of an annotation tool; give --format too"
        )
    folder = Path(options.pictures) if options.pictures is not None else None
    if folder is not None:
        # Imported here: most audits draw nothing.
        from scribbleseg.data.problem_folder import check_new_folder

        check_new_folder(folder)  # before the work, not after it

    report = _audit_annotations(options) if options.format else _audit_dataset(options)
    content = report.as_dict()
    if not options.json:
        report.print(plain_console())
    if folder is not None:
        content["pictures"] = _draw(report, folder, quiet=options.json)
    if options.json:
        print(json.dumps(content, indent=2))
    return report.exit_code


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="scribbleseg check",
        description=(
            "Read every picture, scribble and mask of a dataset and say what is wrong: sizes, "
            "values, unreadable files, empty scribbles, classes that nobody drew, names that do "
            "not match, strokes that contradict the masks. With --format, read an annotation "
            "tool's files in the same way before a dataset is made of them. Exit code 0: nothing "
            "found, 1: warnings, 2: training would be refused."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "dataset",
        type=str,
        help="Folder of the dataset; a relative one is looked for as data.root is. With --format: "
        "file or folder of the annotations.",
    )
    parser.add_argument("--json", action="store_true", help="Print JSON instead of tables.")
    parser.add_argument(
        "--pictures",
        type=str | None,
        default=None,
        help="New folder for a picture of every problem that can be seen.",
    )
    dataset = parser.add_argument_group("for a dataset")
    dataset.add_argument(
        "--layout",
        type=str | None,
        default=None,
        help="As data.layout; by default 'folder' if there is a dataset.yaml, else the layout "
        "that is called like the folder.",
    )
    for split in ("train", "val", "test"):
        dataset.add_argument(
            f"--{split}",
            type=str | None,
            default=split,
            help=f"List of the {split} images, as data.{split}; null for none.",
        )
    dataset.add_argument(
        "--supervision",
        type=str,
        default="scribble",
        help="What training images bring: scribble, mask or tags.",
    )
    files = parser.add_argument_group("for the files of an annotation tool")
    files.add_argument(
        "--format",
        type=str | None,
        default=None,
        help=f"As of 'scribbleseg import': {', '.join(format_names())}.",
    )
    add_annotation_options(files)
    files.add_argument(
        "--workers",
        type=PositiveInt,
        default=available_cores(),
        help="Processes that read at a time.",
    )
    return parser


def _audit_dataset(options: Namespace) -> DatasetAudit:
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
    return audit_dataset(layout, root, lists, supervision=options.supervision)


def _audit_annotations(options: Namespace) -> AnnotationAudit:
    form = load_format(options.format)
    # Progress has no place in what another program reads.
    shown = nullcontext(lambda done, total: None) if options.json else shown_progress("check")
    with shown as progress:
        return audit_annotations(
            form,
            Path(options.dataset),
            options=annotation_options(options),
            raster=raster_option(options, form),
            workers=options.workers,
            progress=progress,
        )


def _draw(report: DatasetAudit | AnnotationAudit, folder: Path, *, quiet: bool) -> list[str]:
    """The pictures of what was found."""
    from scribbleseg.data.problem_folder import visible_problems, write_problem_pictures

    count, written = len(visible_problems(report)), write_problem_pictures(folder, report)
    if not quiet:
        what = f"{len(written)} of {count} problems drawn" if count else "no problem to be drawn"
        say(f"{what} in {folder}, see index.html" if written else what)
    return [str(path) for path in written]

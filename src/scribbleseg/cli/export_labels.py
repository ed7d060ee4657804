"""``export-labels``: predictions and pseudo labels for an annotation tool."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from scribbleseg.annotation.formats import Classes, format_names, load_format
from scribbleseg.annotation.untrusted import PictureFinder
from scribbleseg.cli.annotation_options import classes_option
from scribbleseg.cli.console import say
from scribbleseg.cli.explain import explain
from scribbleseg.data.layouts import layout_called_like, load_layout
from scribbleseg.data.preparation.annotation_export import export_annotations, find_labels
from scribbleseg.errors import ConfigError

__all__ = ["run"]


def run(command: str, argv: Sequence[str]) -> int:
    """Write label images in a tool's format.

    Raises:
        ScribblesegError: Anything a user can mend.
    """
    parser = _parser()
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    form = load_format(options.format)
    classes, folder = _classes_and_pictures(options)
    labels = find_labels(Path(options.labels))
    find = PictureFinder([folder])
    pictures = {name: path for name in labels if (path := find(name)) is not None}
    target = Path(options.target)
    export_annotations(form, labels, pictures, classes, target)
    say(f"{target}: {len(labels)} pictures for {form.title}")
    return 0


def _parser() -> ArgumentParser:
    writable = [name for name in format_names() if load_format(name).write is not None]
    parser = ArgumentParser(
        prog="scribbleseg export-labels",
        description=(
            "Write label images (of predict, pseudolabel, or any index PNGs) in the format of an "
            "annotation tool: correct them there, and 'scribbleseg import' them again."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("format", type=str, help=f"One of {', '.join(writable)}.")
    parser.add_argument("labels", type=str, help="Folder of the label images <id>.png.")
    parser.add_argument("target", type=str, help="Folder to be made.")
    parser.add_argument(
        "--dataset",
        type=str | None,
        default=None,
        help="Folder of the dataset, for classes and pictures; a relative one is looked for as "
        "data.root is.",
    )
    parser.add_argument(
        "--layout", type=str | None, default=None, help="Layout of --dataset, as data.layout."
    )
    parser.add_argument(
        "--classes",
        type=str | None,
        default=None,
        help="Classes in the order of the labels: background,cat,dog, or a YAML file with "
        "'classes: [...]' (default: those of --dataset).",
    )
    parser.add_argument(
        "--images",
        type=str | None,
        default=None,
        help="Folder of the pictures (default: that of --dataset).",
    )
    return parser


def _classes_and_pictures(options: Namespace) -> tuple[Classes, Path]:
    classes = classes_option(options.classes)
    folder = Path(options.images) if options.images else None
    if options.dataset is not None:
        layout, root = load_layout(
            options.layout or layout_called_like(options.dataset), options.dataset
        )
        classes = classes or Classes(layout.class_names, layout.palette)
        folder = folder or root / layout.images
    if classes is None or folder is None:
        raise ConfigError("give --dataset, or both --classes and --images")
    if not folder.is_dir():
        raise ConfigError(f"--images: no folder {folder}")
    return classes, folder

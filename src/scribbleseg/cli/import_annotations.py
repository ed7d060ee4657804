"""``import``: a dataset from the files of an annotation tool."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser
from rich.table import Table

from scribbleseg.annotation.formats import Format, format_names, load_format
from scribbleseg.cli.annotation_options import (
    add_annotation_options,
    annotation_options,
    raster_option,
)
from scribbleseg.cli.console import plain_console, say
from scribbleseg.cli.crew import add_crew_options, crew_of, report_production, shown_progress
from scribbleseg.cli.explain import explain
from scribbleseg.data.preparation.annotation_import import Imported, import_annotations
from scribbleseg.errors import ConfigError

__all__ = ["run"]


def run(command: str, argv: Sequence[str]) -> int:
    """Import annotations.

    Raises:
        ScribblesegError: Anything a user can mend.
    """
    if "--list" in argv:
        _list_formats()
        return 0
    parser = _parser()
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    form = load_format(options.format)
    with shown_progress("import") as progress:
        imported = import_annotations(
            form,
            Path(options.source),
            Path(options.target),
            options=annotation_options(options),
            raster=raster_option(options, form),
            background_drawn=options.background_drawn,
            without_background=options.without_background,
            crew=crew_of(options),
            overwrite=options.overwrite,
            progress=progress,
        )
    report_production(imported.production, imported.remarks)
    _print(imported, form)
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="scribbleseg import",
        description=(
            "Make a dataset of an annotation tool's files: pictures, scribbles as label images, "
            "dataset.yaml, manifest.jsonl. Then 'scribbleseg check' and 'scribbleseg fit' take it. "
            "'scribbleseg import --list' describes the formats."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("format", type=str, help=f"One of {', '.join(format_names())}.")
    parser.add_argument("source", type=str, help="File or folder of the annotations.")
    parser.add_argument("target", type=str, help="Folder of the dataset to be made.")
    add_annotation_options(parser)
    parser.add_argument(
        "--background_drawn",
        type=bool,
        default=False,
        help="Whether the background strokes go around the objects (see the far-field prior).",
    )
    parser.add_argument(
        "--without_background",
        action="store_true",
        help="Accept annotations in which nobody drew the background.",
    )
    add_crew_options(parser)
    return parser


def _list_formats() -> None:
    for name in format_names():
        form = load_format(name)
        way_back = "; also for export-labels" if form.write is not None else ""
        say(f"{name}: {form.title}{way_back}")
        say(f"    source: {form.source}")
        say(f"    unlabelled: {form.unlabelled}")
        say(f"    background: {form.background}")
        if form.strokes:
            say(f"    strokes: {form.raster.rule}, width {form.raster.width}")
        if form.extra:
            say(f"    needs: pip install 'scribbleseg[{form.extra}]'")


def _print(imported: Imported, form: Format) -> None:
    table = Table(title=f"{imported.pictures} pictures", title_justify="left")
    table.add_column("label", justify="right")
    table.add_column("class")
    table.add_column("drawn in", justify="right")
    table.add_column("pixels", justify="right")
    for value, name in enumerate(imported.classes.names):
        drawn, pixels = imported.drawn_in[name], imported.pixels[name]
        table.add_row(str(value), name, str(drawn), f"{pixels:,}")
    plain_console().print(table)
    say(f"unlabelled: {form.unlabelled}")
    say(f"next: scribbleseg check {imported.production.target}")

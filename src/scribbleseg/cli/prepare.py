"""``prepare``: a published dataset made ready to train on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentError, ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from rich.table import Table

from scribbleseg.annotation.raster import Raster, Rule
from scribbleseg.cli.console import plain_console, say
from scribbleseg.cli.crew import add_crew_options, crew_of, report_production, shown_progress
from scribbleseg.cli.explain import explain
from scribbleseg.data.preparation.datasets import load_preparation, preparation_names
from scribbleseg.data.preparation.preparation import Options, prepare
from scribbleseg.errors import ConfigError

__all__ = ["run"]


def run(command: str, argv: Sequence[str]) -> int:
    """Prepare a dataset.

    Raises:
        ScribblesegError: Anything a user can mend.
    """
    if "--list" in argv:
        for name in preparation_names():
            known = load_preparation(name)
            say(f"{name}: {known.title}")
            say(f"    source: {known.source}")
            if known.takes:
                say(f"    options: {', '.join(known.option_names)}")
            if known.extra:
                say(f"    needs: pip install 'scribbleseg[{known.extra}]'")
        return 0
    parser = _parser()
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    preparation = load_preparation(options.dataset)
    with shown_progress(f"prepare {preparation.name}") as progress:
        prepared = prepare(
            preparation,
            Path(options.source),
            Path(options.target),
            options=Options(
                scribbles=Path(options.scribbles) if options.scribbles else None,
                raster=_raster(options),
                form=options.form,
                sbd=Path(options.sbd) if options.sbd else None,
                variant=options.variant,
                crowd=options.crowd,
                context_table=options.context_table,
            ),
            crew=crew_of(options),
            overwrite=options.overwrite,
            progress=progress,
        )
    report_production(prepared.production, prepared.remarks)
    table = Table("list", "images")
    for file, count in prepared.lists.items():
        table.add_row(file, f"{count:,}")
    plain_console().print(table)
    say(f"next: scribbleseg check {options.target}")
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="scribbleseg prepare",
        description=(
            "Make a published dataset ready to train on: index PNGs, scribbles, lists, tags and a "
            "manifest; pictures are linked where that is possible. A command that was stopped goes "
            "on where it was. 'scribbleseg prepare --list' says what each dataset needs."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("dataset", type=str, help=f"One of {', '.join(preparation_names())}.")
    parser.add_argument("source", type=str, help="Folder of the dataset as published.")
    parser.add_argument("target", type=str, help="Folder to be made.")
    parser.add_argument(
        "--scribbles",
        type=str | None,
        default=None,
        help="Folder of the scribbles, if they are not where they are published.",
    )
    parser.add_argument(
        "--rule",
        type=Rule | None,
        default=None,
        help="Which pixels belong to a stroke, for scribbles in XML.",
    )
    parser.add_argument(
        "--width", type=PositiveInt | None, default=None, help="Width of strokes in pixels."
    )
    parser.add_argument(
        "--form",
        type=Literal["voc", "pfa", "blpseg"],
        default="voc",
        help="Whose folder names are written (voc).",
    )
    parser.add_argument(
        "--sbd",
        type=str | None,
        default=None,
        help="Masks of SBD that extend those of VOC: its folder, or what 'prepare sbd' made (voc).",
    )
    parser.add_argument(
        "--variant",
        type=Literal["r1", "r2", "r3", None],
        default=None,
        help="Which of the three published sets of simulated scribbles.",
    )
    parser.add_argument(
        "--crowd",
        type=Literal["class", "ignore"],
        default="class",
        help="What regions of many things become (coco).",
    )
    parser.add_argument(
        "--context_table",
        type=Literal["correct", "reference"],
        default="correct",
        help="'reference': the class table with the four faults of BLPSeg's evaluation (context).",
    )
    add_crew_options(parser)
    return parser


def _raster(options: Namespace) -> Raster | None:
    if options.rule is None and options.width is None:
        return None
    return Raster(options.rule or "opencv", options.width or 0)

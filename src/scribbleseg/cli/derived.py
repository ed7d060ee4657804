"""``simulate``, ``perturb`` and ``distance``: images made of a dataset's label images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentError, ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt

from scribbleseg.annotation.distance import distance_scale
from scribbleseg.annotation.simulation_settings import Simulation
from scribbleseg.cli.console import say
from scribbleseg.cli.crew import add_crew_options, crew_of, report_production, shown_progress
from scribbleseg.cli.explain import explain
from scribbleseg.data.layout import Layout
from scribbleseg.data.layouts import layout_called_like, load_layout
from scribbleseg.data.preparation.annotation_export import find_labels
from scribbleseg.data.preparation.derived_images import (
    Perturbation,
    Work,
    distance_maps,
    perturb_scribbles,
    scribble_paths,
    simulate_scribbles,
)
from scribbleseg.data.preparation.production import Production
from scribbleseg.errors import ConfigError

__all__ = ["run"]

DESCRIPTIONS = {
    "simulate": (
        "Draw scribbles into the masks of a dataset, as a person might have drawn them. The folder "
        "made is used with --data.scribbles DIR."
    ),
    "perturb": (
        "Shorten strokes of a dataset's scribbles, or remove some: how much does a method depend "
        "on them? The folder made is used with --data.scribbles DIR."
    ),
    "distance": (
        "Write distance maps of CDSP and CSPNet as 8-bit PNGs. Training does not need them: "
        "--data.scribble_distance e computes the same maps when a picture is loaded."
    ),
}


def run(command: str, argv: Sequence[str]) -> int:
    """Make the images.

    Raises:
        ScribblesegError: Anything a user can mend.
    """
    parser = _parser(command)
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    layout, root = load_layout(
        options.layout or layout_called_like(options.dataset), options.dataset
    )
    if layout.generate is not None and not root.is_dir():
        layout.generate(root)
    with shown_progress(command) as progress:
        work = Work(Path(options.out), crew_of(options), options.overwrite, progress)
        production = {"simulate": _simulate, "perturb": _perturb, "distance": _distance}[command](
            layout, root, work, options
        )
    report_production(production)
    facts = production.facts.values()
    if command == "perturb" and all(fact.get("same") for fact in facts):
        say(
            "nothing is changed: the last stroke of a class in an image is never dropped; "
            "--allow_losing_classes drops it too"
        )
    if command != "distance":
        drawn = sum(fact["drawn"] for fact in facts) / max(sum(f["pixels"] for f in facts), 1)
        say(f"{drawn:.2%} of the pixels are labelled; train with --data.scribbles {options.out}")
    return 0


def _parser(command: str) -> ArgumentParser:
    parser = ArgumentParser(
        prog=f"scribbleseg {command}",
        description=DESCRIPTIONS[command],
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "dataset",
        type=str,
        help="Folder of the dataset; a relative one is looked for as data.root is.",
    )
    parser.add_argument("--out", type=str, required=True, help="Folder of the images to be made.")
    parser.add_argument(
        "--layout",
        type=str | None,
        default=None,
        help="As data.layout; by default 'folder' if there is a dataset.yaml, else the layout "
        "that is called like the folder.",
    )
    parser.add_argument(
        "--list",
        type=str | None,
        default=None,
        help="List of the images, as data.train (default: train if there is such a list, else "
        "every picture).",
    )
    if command == "simulate":
        parser.add_class_arguments(Simulation, as_group=False)
        parser.add_argument("--seed", type=NonNegativeInt, default=0, help="Of all randomness.")
        parser.add_argument(
            "--variant",
            type=NonNegativeInt,
            default=0,
            help="Another one gives other scribbles, as another person would draw (where the style "
            "leaves something to chance).",
        )
    elif command == "perturb":
        parser.add_argument(
            "--shrink",
            type=float,
            default=1.0,
            help="Share of each stroke that is kept; 0 leaves a dot.",
        )
        parser.add_argument(
            "--drop",
            type=float,
            default=0.0,
            help="Probability that a stroke is removed.",
        )
        parser.add_argument(
            "--placement",
            type=Literal["random", "central"],
            default="random",
            help="Which part of a stroke is kept.",
        )
        parser.add_argument(
            "--allow_losing_classes",
            action="store_true",
            help="Also remove the last stroke of a class in an image.",
        )
        parser.add_argument("--seed", type=NonNegativeInt, default=0, help="Of all randomness.")
    else:
        parser.add_argument(
            "--of",
            type=str,
            default="scribbles",
            help="'scribbles' of the dataset, or a folder of pseudo labels.",
        )
        parser.add_argument(
            "--scale",
            type=str | None,
            default=None,
            help="Factor of the squared distance: e, e2, e6, or a number (default: e for "
            "scribbles, e6 for pseudo labels, as in CDSP).",
        )
    add_crew_options(parser)
    return parser


def _names(layout: Layout, root: Path, options: Namespace) -> list[str]:
    name = options.list
    if name is None:
        name = "train" if layout.has_list(root, "train") else "all"
    return layout.names(root, name)


def _simulate(layout: Layout, root: Path, work: Work, options: Namespace) -> Production:
    fields = {name: options[name] for name in Simulation.__dataclass_fields__}
    return simulate_scribbles(
        layout,
        root,
        _names(layout, root, options),
        work,
        simulation=Simulation(**fields),
        seed=options.seed,
        variant=options.variant,
    )


def _perturb(layout: Layout, root: Path, work: Work, options: Namespace) -> Production:
    if options.shrink == 1 and options.drop == 0:
        raise ConfigError("nothing to do; give --shrink SHARE, --drop PROBABILITY, or both")
    return perturb_scribbles(
        layout,
        root,
        _names(layout, root, options),
        work,
        perturbation=Perturbation(
            options.shrink, options.drop, options.placement, options.allow_losing_classes
        ),
        seed=options.seed,
    )


def _distance(layout: Layout, root: Path, work: Work, options: Namespace) -> Production:
    if options.of == "scribbles":
        labels = scribble_paths(layout, root, _names(layout, root, options))
        scale = distance_scale(options.scale or "e")
        return distance_maps(layout, labels, work, kind="scribble", scale=scale)
    labels = find_labels(Path(options.of))
    scale = distance_scale(options.scale or "e6")
    return distance_maps(layout, labels, work, kind="pseudo_label", scale=scale)

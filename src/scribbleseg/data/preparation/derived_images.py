"""Images made of a dataset's label images: simulated and perturbed scribbles, distance maps.

Each goes to a folder of its own, ``<id>.png``, with the manifest that says how it was made; the
dataset itself stays as it is. ``data.scribbles`` and ``data.scribble_distance`` take such folders.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scribbleseg.annotation.audit import check_label
from scribbleseg.annotation.distance import write_distance_map
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.label_image import LabelImage, read_label, write_label
from scribbleseg.annotation.perturbation import perturb
from scribbleseg.annotation.randomness import check_share
from scribbleseg.annotation.simulation import simulate
from scribbleseg.annotation.simulation_settings import Simulation
from scribbleseg.annotation.untrusted import without_twins
from scribbleseg.data.layout import Layout
from scribbleseg.data.preparation.production import Crew, Job, Made, Production, Progress, produce
from scribbleseg.errors import ConfigError, DataError

__all__ = [
    "Perturbation",
    "Work",
    "distance_maps",
    "perturb_scribbles",
    "scribble_paths",
    "simulate_scribbles",
]


@dataclass(frozen=True)
class Work:
    """Where images go, and who makes them.

    Args:
        target: Folder of the images.
        crew: Who does the work.
        overwrite: As `produce`.
        progress: As `produce`.
    """

    target: Path
    crew: Crew = field(default_factory=Crew)
    overwrite: bool = False
    progress: Progress = lambda done, total: None


@dataclass(frozen=True)
class Perturbation:
    """How scribbles are made worse; see `annotation.perturb`.

    Args:
        shrink: Share of each stroke that is kept, 0..1; 0 leaves a dot.
        drop: Probability that a stroke is removed, 0..1.
        placement: Which part of a stroke is kept.
        allow_losing_classes: Whether the last stroke of a class in an image may be removed.

    Raises:
        ConfigError: A share is not in 0..1.
    """

    shrink: float = 1.0
    drop: float = 0.0
    placement: Literal["random", "central"] = "random"
    allow_losing_classes: bool = False

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_share("shrink", self.shrink)
        check_share("drop", self.drop)


def simulate_scribbles(
    layout: Layout,
    root: Path,
    names: Sequence[str],
    work: Work,
    *,
    simulation: Simulation,
    seed: int = 0,
    variant: int = 0,
) -> Production:
    """Draw scribbles into the masks of a dataset.

    Args:
        layout: Folders and classes of the dataset.
        root: Its folder.
        names: Ids of the images.
        work: Where the scribbles go, and who draws them.
        simulation: How they are drawn.
        seed: Of all randomness.
        variant: Another one gives other scribbles, as another person would draw.

    Raises:
        ConfigError: Nothing in the style is random, so that a variant would be the same again.
        DataError: A mask is missing or wrong.
        RunError: The target is something else's.
    """
    chance = simulation.jitter or simulation.noise or simulation.drop
    if variant and simulation.style in {"longest", "point", "block"} and not chance:
        raise ConfigError(
            f"variant: style {simulation.style!r} leaves nothing to chance, so that variant "
            f"{variant} would be variant 0; add e.g. --jitter 2, or take --style random"
        )
    make = partial(_simulated, simulation=simulation, seed=seed, variant=variant)
    return _derive(
        layout,
        _label_paths(layout, root, "masks", names),
        work,
        partial(_label_job, make),
        {"simulate": asdict(simulation), "seed": seed, "variant": variant},
    )


def perturb_scribbles(
    layout: Layout,
    root: Path,
    names: Sequence[str],
    work: Work,
    *,
    perturbation: Perturbation,
    seed: int = 0,
) -> Production:
    """Shorten or remove strokes of a dataset's scribbles.

    Args:
        layout: Folders and classes of the dataset.
        root: Its folder.
        names: Ids of the images.
        work: Where the scribbles go, and who makes them.
        perturbation: What happens to them.
        seed: Of all randomness.

    Raises:
        ConfigError: A value is impossible.
        DataError: A scribble is missing or wrong.
        RunError: The target is something else's.
    """
    return _derive(
        layout,
        scribble_paths(layout, root, names),
        work,
        partial(_label_job, partial(_perturbed, perturbation=perturbation, seed=seed)),
        {"perturb": asdict(perturbation), "seed": seed, "of": layout.raster},
    )


def distance_maps(
    layout: Layout,
    labels: dict[str, Path],
    work: Work,
    *,
    kind: Literal["scribble", "pseudo_label"],
    scale: float,
) -> Production:
    """Write the distance maps of label images, as CDSP and CSPNet use them.

    Args:
        layout: Classes of the labels.
        labels: Label images by id.
        work: Where the maps go, and who makes them.
        kind: ``scribble``: from the strokes of objects; ``pseudo_label``: from the outline of the
            objects.
        scale: Factor of the squared distance (lambda), above 0.

    Raises:
        DataError: A label image is missing or wrong.
        RunError: The target is something else's.
    """
    return _derive(
        layout,
        labels,
        work,
        partial(_distance_job, kind=kind, scale=scale),
        {"distance": kind, "scale": scale},
    )


def _derive(
    layout: Layout,
    labels: dict[str, Path],
    work: Work,
    make: Callable[..., Made],
    settings: dict[str, Any],
) -> Production:
    without_twins(work.target, list(labels))
    jobs = [Job(name, partial(make, layout, name, path), (path,)) for name, path in labels.items()]
    return produce(
        work.target,
        jobs,
        settings={"classes": list(layout.class_names), **settings},
        crew=work.crew,
        overwrite=work.overwrite,
        progress=work.progress,
    )


def scribble_paths(layout: Layout, root: Path, names: Sequence[str]) -> dict[str, Path]:
    """The scribble of each image.

    Raises:
        DataError: The dataset has none, or some are missing.
    """
    return _label_paths(layout, root, "scribbles", names)


def _label_paths(
    layout: Layout, root: Path, kind: Literal["masks", "scribbles"], names: Sequence[str]
) -> dict[str, Path]:
    folder = layout.masks if kind == "masks" else layout.scribbles
    if folder is None:
        raise DataError(f"dataset {layout.name!r} at {root} has no {kind}")
    paths = {name: root / folder / f"{name}.png" for name in names}
    missing = [str(path) for path in paths.values() if not path.is_file()]
    if missing:
        raise DataError(
            f"{some(missing)} missing ({len(missing)} of {len(paths)}); name a list of images that "
            f"have {kind}: --list NAME"
        )
    return paths


Remade = Callable[[LabelImage, str, int], LabelImage]
"""From a label image, its id and the ignore index to another one."""


def _label_job(remake: Remade, layout: Layout, name: str, path: Path, target: Path) -> Made:
    label = read_label(path)
    check_label(path, label, num_classes=len(layout.class_names), ignore_index=layout.ignore_index)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = remake(label, name, layout.ignore_index)
    write_label(target / f"{name}.png", made, layout.palette)
    drawn = int(np.count_nonzero(made != layout.ignore_index))
    return Made(
        (f"{name}.png",),
        {"drawn": drawn, "pixels": made.size, "same": bool(np.array_equal(made, label))},
        tuple(str(warning.message) for warning in caught),
    )


def _simulated(
    mask: LabelImage, name: str, ignore_index: int, simulation: Simulation, seed: int, variant: int
) -> LabelImage:
    return simulate(
        mask, simulation, seed=seed, variant=variant, image_id=name, ignore_index=ignore_index
    )


def _perturbed(
    scribble: LabelImage, name: str, ignore_index: int, perturbation: Perturbation, seed: int
) -> LabelImage:
    return perturb(
        scribble,
        shrink=perturbation.shrink,
        drop=perturbation.drop,
        placement=perturbation.placement,
        allow_losing_classes=perturbation.allow_losing_classes,
        seed=seed,
        image_id=name,
        ignore_index=ignore_index,
    )


def _distance_job(
    layout: Layout,
    name: str,
    path: Path,
    target: Path,
    kind: Literal["scribble", "pseudo_label"],
    scale: float,
) -> Made:
    write_distance_map(
        path,
        target / f"{name}.png",
        kind=kind,
        scale=scale,
        num_classes=len(layout.class_names),
        ignore_index=layout.ignore_index,
    )
    return Made((f"{name}.png",))

"""The stroke of one object, from its style to its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scribbleseg.annotation.polyline import deviate, part, smoothed
from scribbleseg.annotation.raster import Raster, rasterise
from scribbleseg.annotation.region import Bools, Floats, Region
from scribbleseg.annotation.simulation_settings import Simulation, Style
from scribbleseg.annotation.stroke import Drawing, Stroke
from scribbleseg.annotation.stroke_path import (
    boundary_path,
    central_block,
    central_point,
    contours,
    longest_path,
    random_path,
)

__all__ = ["Target", "painted", "strokes_for"]

LARGE = 0.1
"""Share of the picture above which ``mixed`` may draw the boundary."""

GAP = 1.5
"""Pixels between a brush's width and the outline that it follows."""

BLOCK = 1 / 3
"""Side of a block, as a share of the largest square that fits."""


@dataclass(frozen=True, eq=False)
class Target:
    """What gets one stroke: an instance or a class.

    Args:
        class_index: The label that is drawn.
        regions: Its connected regions, the largest first; the stroke lies in that one.
    """

    class_index: int
    regions: Sequence[Region]

    @property
    def region(self) -> Region:
        """Where the stroke lies."""
        return self.regions[0]

    @property
    def area(self) -> int:
        """Pixels of all regions."""
        return sum(region.area for region in self.regions)


def strokes_for(
    target: Target, picture_area: int, simulation: Simulation, rng: np.random.Generator
) -> list[Stroke]:
    """What is drawn for an object.

    Args:
        target: The object.
        picture_area: Pixels of the whole picture.
        simulation: How to draw.
        rng: Source of all that is random.

    Returns:
        Strokes in the coordinates of the region's cut-out. They may reach beyond the region.
    """
    region, jitter = target.region, simulation.jitter
    style = _style(target, picture_area, simulation, rng)
    if style == "block":
        share, least = BLOCK * simulation.length, simulation.width
        corners = central_block(region, share, least) + rng.normal(0, jitter, 2)
        return [Stroke("", corners, filled=True)]

    lines: list[Floats] = []
    if style == "contour":
        lines = contours(region, simulation.width + GAP)
    elif style == "boundary":
        lines = boundary_path(region, simulation.width + GAP, rng)
    elif style == "longest":
        lines = [longest_path(region)]
    elif style == "point":
        lines = [central_point(region)]
    if not lines:  # also where the object fills the picture and has no outline
        lines = [random_path(region, rng)]
    lines = [deviate(part(line, simulation.length), jitter, rng) for line in lines]
    return [Stroke("", smoothed(line, simulation.smooth)) for line in lines]


def _style(
    target: Target, picture_area: int, simulation: Simulation, rng: np.random.Generator
) -> Style | Literal["contour"]:
    """What is drawn for this object."""
    if target.area < simulation.min_area:
        return "point"
    if target.class_index == 0 and simulation.background == "contour":
        return "contour"
    if simulation.style not in {"boundary", "mixed"}:
        return simulation.style
    if target.class_index == 0:
        return "random"
    if simulation.style == "boundary":
        return "boundary"
    share = target.area / picture_area
    is_large = len(target.regions) == 1 and share > LARGE
    return "boundary" if is_large and rng.random() < share else "random"


def painted(strokes: Sequence[Stroke], size: tuple[int, ...], width: int) -> Bools:
    """The pixels that strokes cover."""
    height, columns = size
    drawing = Drawing("", (height, columns), tuple(strokes))
    covered: Bools = rasterise(drawing, {"": 0}, Raster("opencv", width)) == 0
    return covered

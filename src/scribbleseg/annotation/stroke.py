"""What people draw: strokes and filled patches of a class, in the order in which they were drawn.

Coordinates are those of pixel centres: ``(0, 0)`` is the middle of the upper left pixel, so the
picture reaches from ``-0.5`` to ``width - 0.5``. Tools that count from the corner of that pixel
(LabelMe, CVAT, COCO, ...) are half a pixel away; their readers subtract it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.label_image import LabelImage
from scribbleseg.errors import DataError

__all__ = ["Drawing", "Mark", "Patch", "Stroke", "check_points"]


@dataclass(frozen=True, eq=False)
class Stroke:
    """A line of the brush.

    Args:
        class_name: What was drawn.
        points: ``(N, 2)`` float64, x and y in pixels, finite; one point is a dot.
        width: Of the brush in pixels; None for that of the raster rule.
        closed: Whether the last point is joined with the first one.
        filled: Whether the enclosed area belongs to the stroke (a polygon).
    """

    class_name: str
    points: NDArray[np.float64]
    width: float | None = None
    closed: bool = False
    filled: bool = False


@dataclass(frozen=True, eq=False)
class Patch:
    """Pixels that were painted.

    Args:
        class_name: What was painted.
        pixels: ``(h, w)`` bool, True where there is paint.
        row, column: Of the patch's upper left pixel in the picture; may lie outside.
    """

    class_name: str
    pixels: NDArray[np.bool_]
    row: int = 0
    column: int = 0


Mark = Stroke | Patch


@dataclass(frozen=True, eq=False)
class Drawing:
    """Everything that was drawn in one picture.

    Args:
        name: Id of the picture: its name without suffix, ``/`` between folders.
        size: Height and width of the picture in pixels.
        marks: In the order in which they were drawn; later ones cover earlier ones.
        label: ``(H, W)`` class indices, 255 (16-bit: 65535) where nothing is drawn, for formats
            that hold pixels; the marks are painted over it.
        picture: Its file, or its pixels ``(H, W)`` or ``(H, W, 3)`` uint8 where the format holds
            them (slices of a volume); None if the format does not say.
        volume: Of which volume this is a slice.
        spacing: Distance of the volume's pixels in mm: between slices, rows and columns.
        remarks: What a person should know: strokes without effect, points outside, ...
    """

    name: str
    size: tuple[int, int]
    marks: tuple[Mark, ...] = ()
    label: LabelImage | None = None
    picture: Path | NDArray[np.uint8] | None = None
    volume: str | None = None
    spacing: tuple[float, float, float] | None = None
    remarks: tuple[str, ...] = field(default=())


MOST_POINTS = 1_000_000
"""Of all strokes of one picture."""


def check_points(where: str, points: Any) -> NDArray[np.float64]:
    """Points ``(N, 2)`` as float64, from whatever a file holds.

    Args:
        where: File and stroke, for the message.
        points: Pairs of numbers.

    Raises:
        DataError: They are no pairs of finite numbers of a sensible size, or too many.
    """
    if len(points) > MOST_POINTS:
        raise DataError(f"{where}: {len(points)} points; at most {MOST_POINTS} are read")
    try:
        array = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    if array.ndim != 2 or array.shape[1] != 2:
        raise DataError(f"{where}: points are not pairs of numbers x, y")
    if not np.isfinite(array).all() or np.abs(array).max(initial=0) > 1e7:
        wrong = array[~(np.abs(array) <= 1e7).all(axis=1)][0]
        raise DataError(f"{where}: point ({wrong[0]}, {wrong[1]}) is no place in a picture")
    return array

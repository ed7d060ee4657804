"""From strokes to pixels.

Which pixels a line covers is a choice that changes results, so the rule has a name, and is kept
with everything that is made by it.

``reference-1px``
    One pixel wide, towards the upper left: the converter of BLPSeg (Wang et al., TIP 2023), bit by
    bit. A single point paints nothing, lines are never closed, areas never filled.
``line-3px``
    Three pixels wide between whole pixels, points outside moved to the border: imitates the rasters
    of ScribbleSup that CDSP, URSS, SPML and rloss share. Equality with those cannot be checked, for
    they come without their strokes; 99 % of the drawn pixels of a sample lie in 3 x 3 squares.
``opencv``
    OpenCV's thin line between the nearest whole pixels, thickened by a round brush of any width;
    lines end at the border.

Under ``line-3px`` and ``opencv`` an area is the pixels whose centres lie in it, whatever the width:
those on its upper and left edges too, those on its lower and right ones not, so areas that share an
edge share no pixel. One too thin to hold a centre is drawn as its outline, one pixel wide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.label_image import LabelImage
from scribbleseg.annotation.stroke import Drawing, Patch, Stroke
from scribbleseg.errors import ConfigError, DataError

__all__ = ["Raster", "Rule", "brush", "filled", "rasterise", "unlabelled_value"]

Rule = Literal["reference-1px", "line-3px", "opencv"]

WIDTHS = {"reference-1px": 1, "line-3px": 3}
MOST_DRAWN = 1 << 28
AT_ONCE = 1 << 20
"""Pixels of thin lines: of a picture, and in memory at a time."""
MOST_CROSSED = 1 << 24
"""Rows of pixels that the edges of an area cross, all edges together."""


@dataclass(frozen=True)
class Raster:
    """How strokes become pixels.

    Args:
        rule: Which pixels belong to a line.
        width: In pixels, for strokes that have none of their own; by default that of the rule, 3
            for ``opencv``.

    Raises:
        ConfigError: There is no such rule, or it has another width.

    >>> Raster("line-3px")
    Raster(rule='line-3px', width=3)
    """

    rule: Rule = "opencv"
    width: int = 0

    def __post_init__(self) -> None:
        """Fill in the width of the rule."""
        if self.rule not in get_args(Rule):
            raise ConfigError(
                f"rule: {self.rule!r} is none of the raster rules {', '.join(get_args(Rule))}"
            )
        fixed = WIDTHS.get(self.rule)
        # A plain integer, whatever the command line's own types are: it is written to files.
        object.__setattr__(self, "width", int(self.width) or fixed or 3)
        if self.width < 1 or self.width > 255 or (fixed and self.width != fixed):
            allowed = str(fixed) if fixed else "1..255"
            raise ConfigError(f"width: {self.width} is not a width of {self.rule} ({allowed})")

    def as_dict(self) -> dict[str, Any]:
        """For ``dataset.yaml`` and manifests."""
        return {"rule": self.rule, "width": self.width}


def unlabelled_value(num_classes: int) -> int:
    """Label of pixels on which nothing is drawn: 255, or 65535 where there are too many classes.

    >>> unlabelled_value(21), unlabelled_value(300)
    (255, 65535)
    """
    return 255 if num_classes <= 255 else 65535


def rasterise(drawing: Drawing, class_index: Mapping[str, int], raster: Raster) -> LabelImage:
    """The label image of a drawing.

    Args:
        drawing: Marks, and the label image on which they are painted in their order.
        class_index: Label of each class.
        raster: Which pixels belong to a stroke.

    Returns:
        ``(H, W)`` uint8 (uint16 for more than 255 classes), 255 (65535) where nothing is drawn.

    Raises:
        DataError: A class is not in ``class_index``.
    """
    unlabelled = unlabelled_value(max(class_index.values(), default=0) + 1)
    dtype = np.uint8 if unlabelled == 255 else np.uint16
    if drawing.label is None:
        label = np.full(drawing.size, unlabelled, dtype)
    else:
        label = drawing.label.astype(dtype)
    for mark in drawing.marks:
        if mark.class_name not in class_index:
            raise DataError(
                f"{drawing.name}: class {mark.class_name!r} is unknown; classes are "
                f"{', '.join(class_index)}"
            )
    values = [class_index[mark.class_name] for mark in drawing.marks]
    strokes = [mark for mark in drawing.marks if isinstance(mark, Stroke)]
    if raster.rule == "reference-1px" and len(strokes) == len(values):
        _draw_thin(drawing.name, label, strokes, values)  # all at once is several times faster
        return label
    for mark, value in zip(drawing.marks, values, strict=True):
        if isinstance(mark, Patch):
            _stamp(label, mark, value)
        elif raster.rule == "reference-1px":
            _draw_thin(drawing.name, label, [mark], [value])
        else:
            _paint(drawing.name, label, mark, value, raster)
    return label


def _stamp(label: LabelImage, patch: Patch, value: int) -> None:
    height, width = label.shape
    top, left = max(patch.row, 0), max(patch.column, 0)
    pixels = patch.pixels[
        top - patch.row : max(height - patch.row, 0),
        left - patch.column : max(width - patch.column, 0),
    ]
    label[top : top + pixels.shape[0], left : left + pixels.shape[1]][pixels] = value


def _draw_thin(
    name: str, label: LabelImage, strokes: Sequence[Stroke], values: Sequence[int]
) -> None:
    """Draw open polylines under ``reference-1px``, later ones over earlier ones.

    Between two corners there are as many steps as the longer side has pixels; the place after each
    is cut, not rounded, and computed in double precision with the division first. That order is
    part of the rule: in lines of 44 pixels and more it decides about single pixels.
    """
    lines = [
        (stroke.points, value)
        for stroke, value in zip(strokes, values, strict=True)
        if len(stroke.points) > 1
    ]
    if not lines:
        return
    lengths = np.array([len(points) for points, _ in lines])
    points = np.concatenate([points for points, _ in lines])
    corners = np.ascontiguousarray(_clamped(points, label.shape).T[::-1], np.float64)
    start, delta = corners[:, :-1], np.diff(corners)  # row, column
    steps = np.maximum(np.maximum(*np.abs(delta)), 1)
    slope = delta / steps
    pixels = steps.astype(np.int64) + 1  # of each segment, both corners included
    pixels[np.cumsum(lengths[:-1]) - 1] = 0  # from one stroke to the next nothing is drawn
    value = np.repeat(np.array([value for _, value in lines], label.dtype), lengths)[:-1]

    ends = np.cumsum(pixels)
    if ends[-1] > MOST_DRAWN:
        raise DataError(f"{name}: strokes of {ends[-1]} pixels; at most {MOST_DRAWN} are drawn")
    cuts = np.searchsorted(ends, np.arange(AT_ONCE, ends[-1], AT_ONCE))
    for part in map(slice, [0, *cuts], [*cuts, len(pixels)]):
        count = pixels[part]
        first = np.cumsum(count) - count
        step = np.arange(count.sum()) - np.repeat(first, count)
        place = np.trunc(
            np.repeat(start[:, part], count, axis=1)
            + np.repeat(slope[:, part], count, axis=1) * step
        )
        drawn = count > 0
        place[:, (first + count - 1)[drawn]] = corners[:, 1:][:, part][:, drawn]
        rows, columns = place.astype(np.int64)
        label[rows, columns] = np.repeat(value[part], count)


def _paint(name: str, label: LabelImage, stroke: Stroke, value: int, raster: Raster) -> None:
    """Fill an area, or paint a line with a round brush."""
    area = stroke.filled and len(stroke.points) > 2
    if area:
        patch = filled(name, stroke.class_name, [stroke.points], label.shape)
        if patch is not None:
            _stamp(label, patch, value)
            return
    if raster.rule == "line-3px":
        points, width = _clamped(stroke.points, label.shape).astype(np.float64), raster.width
    else:
        points = stroke.points
        width = max(round(raster.width if stroke.width is None else stroke.width), 1)
    if area:  # too thin to be filled
        width = 1
    # What is painted far outside is not seen, and must need neither time nor memory. OpenCV's own
    # clipping moves whole lines by a pixel, so it never gets to do it.
    low, high = -1.0 - width, np.array(label.shape[::-1]) + float(width)
    if stroke.closed or stroke.filled or len(points) == 1:
        points = np.concatenate([points, points[:1]])
    if ((points >= low) & (points <= high)).all():
        lines = points[None]
    else:
        lines = _line_within(points, low, high)
    if lines.size == 0:
        return
    corner = np.floor(lines.min(axis=(0, 1))).astype(np.int64) - width
    far = np.ceil(lines.max(axis=(0, 1))).astype(np.int64) + width
    canvas = np.zeros((far - corner + 1)[::-1], np.uint8)
    # Thick lines of OpenCV are of no use: thickness 3 is 3 pixels in version 4 and 5 in version 5.
    # A thin line between whole pixels is the same in both; between fractions of them it is up to
    # 1.3 pixels off.
    cv2.polylines(canvas, np.round(lines - corner).astype(np.int32), False, 1)
    canvas = cv2.dilate(canvas, brush(width))
    _stamp(label, Patch(stroke.class_name, canvas > 0, int(corner[1]), int(corner[0])), value)


def _line_within(
    points: NDArray[np.float64], low: float, high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The parts of a polyline's segments that lie in a box, ``(M, 2, 2)`` (Liang, Barsky 1984)."""
    start, delta = points[:-1], np.diff(points, axis=0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        crossings = np.stack([(low - start) / delta, (high - start) / delta])
    enter = np.maximum(crossings.min(axis=0).max(axis=1), 0)
    leave = np.minimum(crossings.max(axis=0).min(axis=1), 1)
    ends = np.stack([enter, leave], axis=1)[..., None]
    seen = enter <= leave
    parts: NDArray[np.float64] = start[seen, None] + ends[seen] * delta[seen, None]
    return parts


def filled(
    where: str, class_name: str, rings: Sequence[NDArray[np.float64]], size: tuple[int, ...]
) -> Patch | None:
    """The pixels of a picture whose centres lie in a polygon.

    That is within the outline and in no hole; where one ring crosses itself or another, in an odd
    number of them.

    Args:
        where: Picture, or file and shape, for the message.
        class_name: Of the polygon.
        rings: Its outline, then those of its holes: ``(N, 2)`` float64 each, x and y in pixels
            from the centre of the upper left one, finite. Holes lie within the outline.
        size: Height and width of the picture in pixels.

    Returns:
        Without paint if the polygon lies beside the picture; None if it holds no centre of a pixel.

    Raises:
        DataError: The edges are too many and too long to be filled in reasonable time.

    >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]])
    >>> filled("a", "cat", [square], (9, 9)).pixels.astype(int)
    array([[1, 1, 0],
           [0, 0, 0]])
    """
    # A polygon that only just reaches into the picture is not thin, as the centres beside it show.
    low = np.maximum(np.floor(rings[0].min(axis=0)), -1).astype(np.int64)
    high = np.minimum(np.ceil(rings[0].max(axis=0)), size[::-1]).astype(np.int64) + 1
    if (low >= high).any():
        return Patch(class_name, np.zeros((0, 0), bool))

    # Always from above: two areas compute the same crossings of an edge that they share.
    following = [np.roll(ring, -1, axis=0) for ring in rings]
    ends = np.stack([np.concatenate(rings), np.concatenate(following)])
    rising = ends[0, :, 1] > ends[1, :, 1]
    ends[:, rising] = ends[::-1, rising]
    first, beyond = np.clip(np.ceil(ends[..., 1]), low[1], high[1]).astype(np.int64)
    count = beyond - first
    crossed = int(count.sum())
    if crossed > MOST_CROSSED:
        raise DataError(
            f"{where}: the edges of an area cross {crossed} rows of pixels; at most {MOST_CROSSED} "
            "are filled"
        )
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(crossed) + (first - np.cumsum(count) + count)[edge]
    (x, y), (far_x, far_y) = ends[:, edge].transpose(0, 2, 1)
    column = np.ceil(x + (row - y) * (far_x - x) / (far_y - y))

    # Along the rows every crossing turns outside into inside or back.
    width, height = (high - low).tolist()
    column = np.clip(column, low[0], high[0]).astype(np.int64) - low[0]
    turns = np.sort((row - low[1]) * (width + 1) + column)
    lengths = np.diff(turns, prepend=0, append=height * (width + 1))
    inside = np.repeat(np.arange(crossed + 1) % 2 == 1, lengths)
    pixels = inside.reshape(height, width + 1)[:, :width]
    if not pixels.any():
        return None
    left, top = np.maximum(low, 0).tolist()
    seen = pixels[top - low[1] : size[0] - low[1], left - low[0] : size[1] - low[0]]
    return Patch(class_name, seen, top, left)


def brush(width: int) -> NDArray[np.uint8]:
    """The pixels of a round brush, ``(width, width)`` uint8 of 0 and 1: centres within its circle.

    >>> brush(4)
    array([[0, 1, 1, 0],
           [1, 1, 1, 1],
           [1, 1, 1, 1],
           [0, 1, 1, 0]], dtype=uint8)
    """
    offset = np.arange(width) - (width - 1) / 2
    inside = offset[:, None] ** 2 + offset**2 <= (width / 2) ** 2
    return inside.astype(np.uint8)


def _clamped(points: NDArray[np.float64], size: tuple[int, ...]) -> NDArray[np.int64]:
    """The nearest pixel of the picture to each point, as x and y."""
    nearest = np.floor(points + 0.5).astype(np.int64)
    return np.clip(nearest, 0, np.array(size[::-1]) - 1)

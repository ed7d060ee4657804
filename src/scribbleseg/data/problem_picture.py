"""Pictures of what is wrong in an image: to be looked at instead of guessed from a line of text."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.label_image import Color
from scribbleseg.annotation.tinting import overlay
from scribbleseg.data.finding import Kind, Problem, Scene

__all__ = ["draw_problem", "heading"]

LONG_SIDE = 1000
"""Of a picture as it is drawn, in pixels; small ones are enlarged by whole numbers."""
MOST_ZOOM = 16
LINE_LENGTH = 640
"""Least width of the text, in pixels."""
MARGIN = 10
FONT_SIZE = 14
MOST_NOTES = 8
"""Lines of a legend."""

ALARM: Color = (255, 0, 200)
FRAME: Color = (0, 90, 255)
WHITE: Color = (255, 255, 255)
BLANK = 225
DENSE = 0.3
"""Labelled share from which on the picture has to shine through the labels."""
FAR = 0.5
"""What is shown around a picture with points outside: share of its longer side."""
MOST_POINTS = 2000
"""Rings and arrows in a picture."""

Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Note = tuple[Color, str]
"""A line of the legend: the colour of its square, and the text."""

HEADINGS: Mapping[Kind, str] = {
    "contradiction": "strokes contradict the mask",
    "dots": "strokes of one point",
    "empty": "nothing is drawn",
    "outside": "points outside the picture",
    "size": "sizes differ",
    "values": "label values that are no class",
}


def heading(problem: Problem) -> str:
    """What is wrong in which image, in a few words.

    >>> heading(Problem("empty", "cell 1", "scribbles/cell 1.png: no pixel is labelled"))
    'cell 1: nothing is drawn'
    """
    return f"{problem.name}: {HEADINGS[problem.kind]}"


def draw_problem(problem: Problem, scene: Scene) -> Bytes:
    """What is wrong in an image, with a few lines of text below.

    Args:
        problem: What it is.
        scene: The pixels.

    Returns:
        ``(H, W, 3)`` uint8, at most about a thousand pixels wide.
    """
    panel, legend = PANELS[problem.kind](scene)
    return _page(panel, heading(problem), problem.caption, legend)


def _contradiction(scene: Scene) -> tuple[Bytes, list[Note]]:
    """The strokes, on the picture tinted by the mask; a bright line around what is wrong."""
    label, mask, colors = scene.label, scene.mask, _colors(scene)
    assert mask is not None
    wrong = (label != mask) & (label != scene.ignore_index) & (mask != scene.ignore_index)
    panel, zoom = _labelled(overlay(_ground(scene), mask, scene.palette, opacity=0.5), scene)
    _surround(panel, _enlarged(wrong.astype(np.uint16), zoom) > 0, ALARM)
    codes = label[wrong].astype(np.uint32) << 16 | mask[wrong]
    pairs, counts = (array.tolist() for array in np.unique(codes, return_counts=True))
    often = sorted(zip(counts, pairs, strict=True), reverse=True)[:MOST_NOTES]
    return panel, [
        (ALARM, f"around the {np.count_nonzero(wrong)} pixels that contradict the mask"),
        *(
            (
                colors.get(pair >> 16, ALARM),
                f"drawn as {_name(pair >> 16, scene)} on {_name(pair & 0xFFFF, scene)}: {count} "
                "pixels",
            )
            for count, pair in often
        ),
    ]


def _values(scene: Scene) -> tuple[Bytes, list[Note]]:
    """The label on the picture; values that are no class are bright."""
    label = scene.label
    wrong = (label >= len(scene.class_names)) & (label != scene.ignore_index)
    panel, zoom = _labelled(_ground(scene), scene)
    pixels = _enlarged(wrong.astype(np.uint16), zoom) > 0
    panel[pixels] = ALARM
    _surround(panel, pixels, WHITE)
    values, counts = np.unique(label, return_counts=True)
    known = _colors(scene)
    return panel, [
        (known.get(value, ALARM), f"{_name(value, scene)}: {count} pixels")
        for value, count in zip(values.tolist()[::-1], counts.tolist()[::-1], strict=True)
        if value != scene.ignore_index
    ][:MOST_NOTES]


def _size(scene: Scene) -> tuple[Bytes, list[Note]]:
    """Picture and label on one another, to scale, each in its frame."""
    picture, label = scene.picture, scene.label
    assert picture is not None
    zoom = _zoom(max(*picture.shape[:2], *label.shape))
    height, width = _display_size(picture.shape, zoom)
    label_height, label_width = _display_size(label.shape, zoom)
    panel = np.full((max(height, label_height), max(width, label_width), 3), BLANK, np.uint8)
    panel[:height, :width] = _scaled(_rgb(picture), zoom)
    _paint(panel[:label_height, :label_width], scene, zoom)
    cv2.rectangle(panel, (0, 0), (width - 1, height - 1), FRAME, 4)
    cv2.rectangle(panel, (0, 0), (label_width - 1, label_height - 1), ALARM, 2)
    return panel, [
        (FRAME, f"picture: {picture.shape[1]} x {picture.shape[0]} pixels"),
        (ALARM, f"labels: {label.shape[1]} x {label.shape[0]} pixels"),
    ]


def _empty(scene: Scene) -> tuple[Bytes, list[Note]]:
    ground = _ground(scene)
    return _scaled(ground, _zoom(max(ground.shape[:2]))), []


def _points(scene: Scene) -> tuple[Bytes, list[Note]]:
    """The strokes and the points in question, with as much around the picture as they need."""
    height, width = scene.label.shape
    first, last = np.array([-0.5, -0.5]), np.array([width, height]) - 0.5
    far = FAR * max(height, width)
    every = np.vstack([first, last, scene.marked, *(stroke.points for stroke in scene.strokes)])
    low = np.maximum(np.floor(every.min(axis=0) - far / 50), first - far)
    high = np.minimum(np.ceil(every.max(axis=0) + far / 50), last + far)
    zoom = _zoom(float((high - low).max()))
    columns, rows = (max(round(side * zoom), 1) for side in high - low)

    panel = np.full((rows, columns, 3), BLANK, np.uint8)
    ground = _scaled(_ground(scene) // 2 + 64, zoom)[:rows, :columns]
    left, top = (round(place * zoom) for place in first - low)
    bottom, right = min(top + len(ground), rows), min(left + ground.shape[1], columns)
    panel[top:bottom, left:right] = ground[: bottom - top, : right - left]
    cv2.rectangle(panel, (left, top), (right - 1, bottom - 1), FRAME, 1)

    colors = {scene.class_names[value]: color for value, color in _colors(scene).items()}
    for stroke in scene.strokes:
        line = np.round((stroke.points - low) * zoom).astype(np.int32)
        color = colors.get(stroke.class_name, ALARM)
        cv2.polylines(panel, [line], stroke.closed or stroke.filled, color, 2, cv2.LINE_AA)
    for point in (scene.marked[:MOST_POINTS] - low) * zoom:
        spot = np.clip(point, 8, np.maximum([columns - 9, rows - 9], 8))
        beyond = float(np.hypot(*(point - spot)))
        if beyond > 8:  # off the panel: an arrow that points to it
            tail = spot - (point - spot) * (30 / beyond)
            cv2.arrowedLine(panel, _pixel(tail), _pixel(spot), ALARM, 2, cv2.LINE_AA, tipLength=0.4)
        else:
            cv2.circle(panel, _pixel(spot), 6, ALARM, 2, cv2.LINE_AA)
    places = [f"({x:g}, {y:g})" for x, y in scene.marked]
    return panel, [
        (FRAME, f"picture: {width} x {height} pixels"),
        (ALARM, f"points (x, y): {some(places, 6)}"),
    ]


PANELS: Mapping[Kind, Callable[[Scene], tuple[Bytes, list[Note]]]] = {
    "contradiction": _contradiction,
    "dots": _points,
    "empty": _empty,
    "outside": _points,
    "size": _size,
    "values": _values,
}


def _ground(scene: Scene) -> Bytes:
    """The picture below the label; plain grey where there is none of its size."""
    if scene.picture is None or scene.picture.shape[:2] != scene.label.shape:
        return np.full((*scene.label.shape, 3), BLANK, np.uint8)
    return _rgb(scene.picture)


def _rgb(picture: Bytes) -> Bytes:
    return np.stack([picture] * 3, axis=-1) if picture.ndim == 2 else picture


def _labelled(ground: Bytes, scene: Scene) -> tuple[Bytes, float]:
    """The labels on a paler ground, and how much larger that is than the picture."""
    zoom = _zoom(max(ground.shape[:2]))
    panel = _scaled(ground // 2 + 64, zoom)
    _paint(panel, scene, zoom)
    return panel, zoom


def _paint(panel: Bytes, scene: Scene, zoom: float) -> None:
    """Paint the classes on a panel of the label's size."""
    drawn = scene.label != scene.ignore_index
    values = _enlarged(np.where(drawn, scene.label.astype(np.uint16) + 1, 0), zoom)
    covered = (scene.label < len(scene.class_names)).mean()
    opacity = 0.9 if covered < DENSE else 0.5
    for value, color in _colors(scene).items():
        pixels = values == value + 1
        painted = (1 - opacity) * panel[pixels] + opacity * np.array(color)
        panel[pixels] = painted.astype(np.uint8)


def _surround(panel: Bytes, pixels: Bools, color: Color) -> None:
    """Draw a line around pixels, with a dark one around it that shows on any ground."""
    core = pixels.astype(np.uint8)
    near = cv2.dilate(core, np.ones((5, 5), np.uint8))
    edge = cv2.dilate(core, np.ones((9, 9), np.uint8))
    panel[(edge > 0) & (near == 0)] = (0, 0, 0)
    panel[(near > 0) & ~pixels] = color


def _colors(scene: Scene) -> dict[int, Color]:
    """Colour of each class that is there; a black stroke would be taken for a shadow."""
    values = np.unique(scene.label).tolist()
    names = {stroke.class_name for stroke in scene.strokes}
    values += [value for value, name in enumerate(scene.class_names) if name in names]
    return {
        value: scene.palette[value] if any(scene.palette[value]) else WHITE
        for value in values
        if value < len(scene.palette) and value != scene.ignore_index
    }


def _name(value: int, scene: Scene) -> str:
    names = scene.class_names
    return names[value] if value < len(names) else f"value {value} (no class)"


def _zoom(longest: float) -> float:
    """Pixels of the drawing for one of an image whose longer side is ``longest``."""
    zoom = LONG_SIDE / longest
    return min(int(zoom), MOST_ZOOM) if zoom > 1 else zoom


def _display_size(shape: Sequence[int], zoom: float) -> tuple[int, int]:
    height, width = (max(round(side * zoom), 1) for side in shape[:2])
    return height, width


def _scaled(picture: Bytes, zoom: float) -> Bytes:
    interpolation = cv2.INTER_NEAREST if zoom > 1 else cv2.INTER_AREA
    size = _display_size(picture.shape, zoom)[::-1]
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)


def _enlarged(values: NDArray[np.uint16], zoom: float) -> NDArray[np.uint16]:
    """Values at the scale of the drawing; thin lines are thickened, so that none is lost."""
    if zoom < 2:
        brush = np.ones((math.ceil(2 / zoom),) * 2, np.uint8)
        values = np.asarray(cv2.dilate(values, brush), np.uint16)
    size = _display_size(values.shape, zoom)[::-1]
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_NEAREST), np.uint16)


def _pixel(place: Floats) -> tuple[int, int]:
    return round(place[0]), round(place[1])


def _page(panel: Bytes, title: str, caption: str, legend: Sequence[Note]) -> Bytes:
    """A panel with its text below."""
    bold, plain = _font("DejaVuSansMono-Bold.ttf"), _font("DejaVuSansMono.ttf")
    width = max(panel.shape[1], LINE_LENGTH)
    length = int(width / plain.getlength("m"))
    lines: list[tuple[ImageFont.FreeTypeFont, Color | None, str]]
    lines = [(bold, None, line) for line in _wrapped(title, length)]
    lines += [(plain, None, line) for line in _wrapped(caption, length)]
    for color, text in legend:
        first, *rest = _wrapped(text, length - 3)
        lines += [(plain, color, first), *((plain, None, f"   {line}") for line in rest)]
    step = FONT_SIZE + 5
    height = panel.shape[0] + 3 * MARGIN + step * len(lines)
    page = Image.new("RGB", (width + 2 * MARGIN, height), WHITE)
    page.paste(Image.fromarray(panel), (MARGIN, MARGIN))
    pen, top = ImageDraw.Draw(page), panel.shape[0] + 2 * MARGIN
    for font, fill, line in lines:
        left = MARGIN
        if fill is not None:
            square = (left, top + 2, left + FONT_SIZE - 2, top + FONT_SIZE)
            pen.rectangle(square, fill=fill, outline=(128, 128, 128))
            left += int(plain.getlength("mmm"))
        pen.text((left, top), line, fill=(0, 0, 0), font=font)
        top += step
    return np.asarray(page)


def _wrapped(text: str, length: int) -> list[str]:
    """Lines of a text; bytes of file names that are no text become question marks."""
    return textwrap.wrap(text.encode(errors="replace").decode(), length) or [""]


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    # Imported here for the place of its fonts; Pillow's own has Latin letters alone.
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf" / name, FONT_SIZE)

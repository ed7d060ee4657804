"""Pictures to look at: what was drawn, what was predicted, what is true."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scribbleseg.annotation.image_file import read_image
from scribbleseg.annotation.label_image import Color, LabelImage, read_label
from scribbleseg.annotation.tinting import overlay

__all__ = ["Example", "draw_examples"]

WIDTH, MARGIN, GAP, TOP, NAME_HEIGHT = 928, 12, 8, 60, 20
PANEL = (WIDTH - 2 * MARGIN - 3 * GAP) // 4
"""Width of a panel in pixels."""

TALLEST = 1.5
"""Height of a panel as a multiple of its width."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Example:
    """The files of one image.

    Args:
        name: Its id.
        image: The picture.
        scribble: Its scribble, if there is one.
        prediction: Predicted label image.
        mask: True label image, if there is one.
    """

    name: str
    image: Path
    scribble: Path | None
    prediction: Path
    mask: Path | None


def draw_examples(
    file: Path | BinaryIO,
    examples: Sequence[Example],
    class_names: Sequence[str],
    palette: Sequence[Color],
    *,
    title: str = "",
    file_format: Literal["png", "jpg"] = "png",
) -> None:
    """Draw one row an image: picture, scribble, prediction, truth.

    Args:
        file: The file to write, or an open one.
        examples: The images.
        class_names: Names of the classes; the legend has those that occur.
        palette: RGB of each class.
        title: Line above the picture.
        file_format: How the picture is stored.
    """
    rows = [(example.name, _panels(example, palette)) for example in examples]
    shown = _classes_shown(examples, len(class_names))
    legend = _legend([(class_names[index], palette[index]) for index in shown])
    tops = np.cumsum([TOP, *(panels[0].shape[0] + NAME_HEIGHT for _, panels in rows)])
    page = Image.new("RGB", (WIDTH, int(tops[-1]) + legend.height + MARGIN), "white")
    draw = ImageDraw.Draw(page)
    draw.text((WIDTH / 2, 18), title, "black", _font(15), anchor="mm")
    for column, heading in enumerate(("image", "scribbles", "prediction", "truth")):
        middle = MARGIN + column * (PANEL + GAP) + PANEL / 2
        draw.text((middle, TOP - 14), heading, "black", _font(15), anchor="mm")
    for top, (name, panels) in zip(tops.tolist(), rows, strict=False):
        for column, panel in enumerate(panels):
            left = MARGIN + column * (PANEL + GAP) + (PANEL - panel.shape[1]) // 2
            page.paste(Image.fromarray(panel), (left, top))
        draw.text((MARGIN, top + panels[0].shape[0] + 2), name, "#666666", _font(10))
    page.paste(legend, (0, int(tops[-1])))
    if isinstance(file, Path):
        file.parent.mkdir(parents=True, exist_ok=True)
    page.save(file, format={"png": "PNG", "jpg": "JPEG"}[file_format], quality=90)


def _panels(example: Example, palette: Sequence[Color]) -> list[Bytes]:
    """The four pictures of a row, all of one size; white where there is nothing to show."""
    image = read_image(example.image)
    height, width = image.shape[:2]
    scale = PANEL * min(1.0, TALLEST * width / height) / width
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    panels = [
        image,
        _draw_strokes(image, read_label(example.scribble), palette) if example.scribble else None,
        overlay(image, read_label(example.prediction), palette),
        overlay(image, read_label(example.mask), palette) if example.mask else None,
    ]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return [
        np.full((size[1], size[0], 3), 255, np.uint8)
        if panel is None
        else cv2.resize(panel, size, interpolation=interpolation).astype(np.uint8)
        for panel in panels
    ]


def _legend(classes: Sequence[tuple[str, Color]]) -> Image.Image:
    """A coloured square and a name for each class, in centred lines."""
    font = _font(13)
    lines: list[list[tuple[str, Color, int]]] = [[]]
    used = 0
    for name, color in classes:
        width = 28 + round(font.getlength(name)) + 16
        if used + width > WIDTH - 2 * MARGIN and lines[-1]:
            lines.append([])
            used = 0
        lines[-1].append((name, color, width))
        used += width
    legend = Image.new("RGB", (WIDTH, 24 * len(lines) + 4), "white")
    draw = ImageDraw.Draw(legend)
    for number, line in enumerate(lines):
        left, middle = (WIDTH - sum(width for _, _, width in line)) // 2, 24 * number + 16
        for name, color, width in line:
            draw.rectangle((left, middle - 6, left + 20, middle + 6), color, "#808080")
            draw.text((left + 28, middle), name, "black", font, anchor="lm")
            left += width
    return legend


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # matplotlib's own font has more of the world's letters than Pillow's. Imported here: commands
    # that draw nothing do without it.
    import matplotlib

    folder = Path(matplotlib.get_data_path())
    return ImageFont.truetype(str(folder / "fonts/ttf/DejaVuSans.ttf"), size)


def _classes_shown(examples: Sequence[Example], num_classes: int) -> list[int]:
    """The classes that occur in any panel."""
    pixels = np.zeros(num_classes, np.int64)
    for example in examples:
        for path in (example.scribble, example.prediction, example.mask):
            if path is not None:
                pixels += np.bincount(read_label(path).ravel(), minlength=num_classes)[:num_classes]
    return np.flatnonzero(pixels).tolist()


def _draw_strokes(image: Bytes, scribble: LabelImage, palette: Sequence[Color]) -> Bytes:
    """The strokes in full colour on the picture, thick enough to be seen."""
    colors = np.asarray(palette, np.uint8)
    width = max(1, round(max(scribble.shape) / 150))
    result = image // 2 + 64
    for index in range(len(palette)):
        drawn = (
            cv2.dilate((scribble == index).astype(np.uint8), np.ones((width, width), np.uint8)) > 0
        )
        # Black strokes would be read as shadows.
        result[drawn] = colors[index] if colors[index].any() else (255, 255, 255)
    return result

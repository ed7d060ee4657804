"""Pictures to look at: what was drawn, what was predicted, what is true."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.image_file import image_size, read_image
from scribbleseg.annotation.label_image import Color, LabelImage, read_label
from scribbleseg.annotation.overlay import overlay

__all__ = ["Example", "draw_examples"]

LEGEND_LETTERS = 110
"""Letters that fit beside one another in the legend."""

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
    # Imported here: the library costs half a second, and only pictures need it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    sizes = [image_size(example.image) for example in examples]
    row_height = 2.25 * max(min(height / width, 1.5) for height, width in sizes) + 0.1
    shown = _classes_shown(examples, len(class_names))
    columns = max(1, min(len(shown), LEGEND_LETTERS // (max(map(len, class_names)) + 6)))
    legend_height = 0.22 * -(-len(shown) // columns)
    height = row_height * len(examples) + 0.9 + legend_height
    figure = Figure(figsize=(9.2, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(len(examples), 4, squeeze=False)
    for line, example in zip(axes, examples, strict=True):
        image = read_image(example.image)
        strokes = read_label(example.scribble) if example.scribble else None
        panels = [
            image,
            _draw_strokes(image, strokes, palette) if strokes is not None else None,
            overlay(image, read_label(example.prediction), palette),
            overlay(image, read_label(example.mask), palette) if example.mask else None,
        ]
        for axis, panel in zip(line, panels, strict=True):
            axis.set_axis_off()
            if panel is not None:
                axis.imshow(panel)
        line[0].text(
            0, -0.02, example.name, transform=line[0].transAxes, fontsize=7, va="top", color="0.4"
        )
    for axis, heading in zip(axes[0], ("image", "scribbles", "prediction", "truth"), strict=True):
        axis.set_title(heading, fontsize=11)
    if title:
        figure.suptitle(title, fontsize=11)
    handles = [
        Patch(
            facecolor="#{:02x}{:02x}{:02x}".format(*palette[index]),
            edgecolor="0.5",
            label=class_names[index],
        )
        for index in shown
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        fontsize=9,
        frameon=False,
    )
    if isinstance(file, Path):
        file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90, format=file_format)


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

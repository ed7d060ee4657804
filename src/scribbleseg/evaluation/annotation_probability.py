"""A picture of where annotators would draw, as the second head of BLPSeg has learned it."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.label_image import Color, LabelImage
from scribbleseg.annotation.whole_file import whole_file

__all__ = ["draw_annotation_probability"]

COLUMNS = 4


def draw_annotation_probability(
    path: str | Path,
    image: NDArray[np.uint8],
    probability: NDArray[np.float32],
    class_names: Sequence[str],
    palette: Sequence[Color],
    *,
    scribble: LabelImage | None = None,
    least: float = 0.1,
) -> None:
    """Draw the picture, its strokes, the probability of any stroke, and that of each class, as PNG.

    Each map runs from 0 (dark) to its largest value, which stands above it: an annotator draws few
    pixels, and so the values are small.

    Args:
        path: The file to write.
        image: ``(H, W, 3)`` or ``(H, W)`` uint8.
        probability: ``(K + 1, H, W)``, from ``Predictor.annotation_probability``; the last map is
            that of no stroke.
        class_names: Names of the K classes.
        palette: RGB of each class, 0..255, for the strokes.
        scribble: ``(H, W)`` labels that were drawn, for comparison; other values than those of the
            K classes are not shown.
        least: Classes whose probability is below this everywhere are left out, 0..1.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    *classes, none = probability
    maps = [("any stroke", 1 - none)]
    maps += [(n, one) for n, one in zip(class_names, classes, strict=True) if one.max() >= least]
    rows = -(-(len(maps) + 1) // COLUMNS)
    height, width = image.shape[:2]
    figure = Figure(
        figsize=(2.4 * COLUMNS, rows * (2.4 * height / width + 0.3)), layout="constrained"
    )
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(rows, COLUMNS, squeeze=False).flat
    for panel in panels:
        panel.axis("off")
    panels[0].set_title("image" if scribble is None else "image and strokes", fontsize=9)
    shown = image if scribble is None else _with_strokes(image, scribble, palette)
    panels[0].imshow(shown, cmap="gray")
    for panel, (name, one) in zip(panels[1:], maps, strict=False):
        panel.set_title(f"{name}, to {one.max():.2f}", fontsize=9)
        panel.imshow(one, cmap="magma", vmin=0, vmax=max(float(one.max()), 1e-6))
    memory = io.BytesIO()
    figure.savefig(memory, dpi=100, format="png")
    with whole_file(Path(path)) as unfinished:
        unfinished.write_bytes(memory.getvalue())


def _with_strokes(
    image: NDArray[np.uint8], scribble: LabelImage, palette: Sequence[Color]
) -> NDArray[np.uint8]:
    """The picture with its strokes in full colour, ``(H, W, 3)``; black ones become white."""
    shown = np.stack([image] * 3, axis=-1) if image.ndim == 2 else image.copy()
    for index, color in enumerate(palette):
        shown[scribble == index] = color if any(color) else (255, 255, 255)
    return shown

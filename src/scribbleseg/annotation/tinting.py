"""Tinting a picture by its labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.label_image import Color, LabelImage

__all__ = ["overlay"]

Bytes = NDArray[np.uint8]


def overlay(
    image: Bytes, label: LabelImage, palette: Sequence[Color], *, opacity: float = 0.55
) -> Bytes:
    """The picture tinted by its labels; class 0 and unlabelled pixels stay as they are.

    Args:
        image: ``(H, W, 3)`` or ``(H, W)`` uint8.
        label: ``(H, W)`` class indices.
        palette: RGB of each class, 0..255.
        opacity: Share of the class colour, 0..1.

    Returns:
        ``(H, W, 3)`` uint8.

    >>> grey, label = np.full((1, 2), 100, np.uint8), np.array([[0, 1]], np.uint8)
    >>> overlay(grey, label, [(0, 0, 0), (200, 0, 0)], opacity=0.5).tolist()
    [[[100, 100, 100], [150, 50, 50]]]
    """
    color = np.stack([image] * 3, axis=-1) if image.ndim == 2 else image
    tinted = (label > 0) & (label < len(palette))
    result = color.copy()
    colors = np.asarray(palette, np.float32)[label[tinted]]
    result[tinted] = ((1 - opacity) * color[tinted] + opacity * colors).astype(np.uint8)
    return result

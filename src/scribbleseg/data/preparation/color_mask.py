"""Masks whose classes are colours."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.image_file import read_image
from scribbleseg.annotation.label_image import Color
from scribbleseg.errors import DataError

__all__ = ["read_color_mask"]


def read_color_mask(path: Path, label_of_color: Mapping[Color, int]) -> NDArray[np.uint8]:
    """The label of each pixel of a picture, ``(H, W)``.

    Args:
        path: The picture.
        label_of_color: Label, 0..255, of each RGB colour that may occur.

    Raises:
        DataError: It cannot be read, or has another colour.
    """
    image = read_image(path).astype(np.uint32)
    packed = image[..., 0] << 16 | image[..., 1] << 8 | image[..., 2]
    table = sorted(
        (red << 16 | green << 8 | blue, label)
        for (red, green, blue), label in label_of_color.items()
    )
    known = np.array([color for color, _ in table], np.uint32)
    place = np.minimum(np.searchsorted(known, packed), len(known) - 1)
    unknown = packed[known[place] != packed]
    if len(unknown):
        color = int(unknown[0])
        raise DataError(
            f"{path}: colour {(color >> 16, color >> 8 & 255, color & 255)} on "
            f"{int((unknown == color).sum())} pixels is no class; was the mask resized, or saved "
            "as JPEG?"
        )
    labels: NDArray[np.uint8] = np.array([label for _, label in table], np.uint8)[place]
    return labels

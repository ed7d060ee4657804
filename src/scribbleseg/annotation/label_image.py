"""Label images on disk: index PNGs, whose values are classes; 255 (16-bit: 65535) is unlabelled.

They are read as indices with Pillow. A reader that converts to grey returns the luminance of the
palette's colours instead ({0, 1, 15, 255} became {0, 38, 147, 220} in a measured case) without any
error.
"""

import functools
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from scribbleseg.annotation.image_file import open_image
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import DataError

__all__ = ["Color", "LabelImage", "read_label", "voc_palette", "write_label"]

LabelImage = NDArray[np.uint8] | NDArray[np.uint16]
Color = tuple[int, int, int]
"""RGB, 0..255."""


STRETCHED = {"L;2": 85, "L;4": 17}
"""By what Pillow multiplies grey PNGs of few bits."""


def read_label(path: Path) -> LabelImage:
    """Class indices ``(H, W)`` of a label image, uint8 or uint16.

    Palette, grey (1, 2, 4, 8 and 16 bit) and 8-bit colour pictures with three equal channels hold
    indices; anything else is refused.

    Raises:
        DataError: The file cannot be read or holds colours instead of indices.
    """
    with open_image(path) as image:
        stored = str(image.tile[0][3]) if isinstance(image, PngImageFile) and image.tile else ""
        mode, pixels = image.mode, np.asarray(image)
    if mode == "RGB" and "16" in stored:  # of which Pillow keeps the upper half
        raise DataError(
            f"{path}: a label image holds one class index a pixel (palette or grey, 8 or 16 bit), "
            "this one has three of 16 bits; save one channel alone"
        )
    if mode in {"P", "L", "1"}:
        # Pillow stretches grey of 2 and 4 bits to 0..255.
        return pixels.astype(np.uint8) // STRETCHED.get(stored, 1)
    if mode.startswith("I;16"):
        return pixels.astype(np.uint16)
    if mode == "RGB" and (pixels == pixels[..., :1]).all():
        return np.ascontiguousarray(pixels[..., 0])
    raise DataError(
        f"{path}: a label image holds one class index a pixel (palette or grey, 8 or 16 bit), "
        "this one has "
        f"colours (mode {mode}); convert the colours to indices first"
    )


def write_label(path: Path, label: LabelImage, palette: Sequence[Color] | None = None) -> None:
    """Write an index PNG completely or not at all.

    Args:
        path: The PNG to write; parent folders are made.
        label: ``(H, W)`` class indices, uint8 or uint16.
        palette: RGB of each class, 0..255; 8-bit labels only. Class colours of PASCAL VOC if
            omitted.
    """
    image = Image.fromarray(label)
    if label.dtype == np.uint8:
        colors = voc_palette(256)
        for index, color in enumerate(palette or ()):
            colors[index] = color
        image.putpalette([channel for color in colors for channel in color])
    with whole_file(path) as unfinished:
        image.save(unfinished, format="PNG", compress_type=zlib.Z_RLE)


def voc_palette(num_classes: int) -> list[Color]:
    """The class colours of PASCAL VOC: the bits of the index spread over the channels.

    >>> voc_palette(3)
    [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    """
    return list(_voc_colors(num_classes))


@functools.cache
def _voc_colors(num_classes: int) -> tuple[Color, ...]:
    colors = []
    for index in range(num_classes):
        red = green = blue = 0
        for bit in range(8):
            red |= (index >> (3 * bit) & 1) << (7 - bit)
            green |= (index >> (3 * bit + 1) & 1) << (7 - bit)
            blue |= (index >> (3 * bit + 2) & 1) << (7 - bit)
        colors.append((red, green, blue))
    return tuple(colors)

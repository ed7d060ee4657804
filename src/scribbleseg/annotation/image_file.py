"""Reading picture files: as people see them, and so that every failure names the file."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from scribbleseg.errors import DataError

__all__ = ["IMAGE_SUFFIXES", "image_size", "open_image", "read_image"]

IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".tif",
    ".tiff",
    ".bmp",
    ".webp",
    ".JPG",
    ".JPEG",
    ".PNG",
)
"""Suffixes by which pictures are found in a folder, in this order."""

EXIF_ORIENTATION = 0x0112
TRANSPOSED = range(5, 9)
"""Values of the EXIF orientation that exchange height and width."""


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """A picture opened lazily: the header at once, the pixels when they are used.

    Raises:
        DataError: The file is missing, no picture, truncated, or has more pixels than Pillow's
            limit (178 million).
    """
    try:
        with warnings.catch_warnings():
            # Half the limit only warns; the limit itself raises below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                yield image
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        size = path.stat().st_size
        raise DataError(
            f"{path}: not a picture ({size} bytes); export it again as PNG or JPEG"
        ) from None
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: {error}; cut the picture into tiles") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); the file is damaged, copy or export it again"
        ) from None


def image_size(path: Path) -> tuple[int, int]:
    """Height and width in pixels as the picture is displayed, from the header alone."""
    with open_image(path) as image:
        if image.getexif().get(EXIF_ORIENTATION) in TRANSPOSED:
            return image.width, image.height
        return image.height, image.width


def read_image(path: Path, mode: Literal["RGB", "L"] = "RGB") -> NDArray[np.uint8]:
    """The pixels of a picture, turned as its EXIF orientation says, i.e. as the annotator saw it.

    Args:
        path: 8-bit grey, RGB or palette picture; an alpha channel is accepted where it is opaque
            everywhere.
        mode: ``RGB`` for ``(H, W, 3)``, ``L`` (grey) for ``(H, W)``.

    Raises:
        DataError: The file cannot be read, or holds what has no faithful 8-bit form (16 bit, CMYK,
            transparency).
    """
    with open_image(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info:
            upright = upright.convert("RGBA")
            lowest, _ = upright.getchannel("A").getextrema()
            if lowest < 255:  # type: ignore[operator]  # one band: a pair of numbers
                raise DataError(
                    f"{path}: the picture has transparent pixels; flatten it onto a background "
                    "colour first"
                )
        elif upright.mode not in {"RGB", "L", "P", "1"}:
            raise DataError(
                f"{path}: colour mode {upright.mode} cannot be read faithfully; allowed: 8-bit "
                "grey, RGB or palette; "
                "convert the picture first (16 bit: scale to 0..255 for the whole set alike)"
            )
        return np.array(upright.convert(mode))

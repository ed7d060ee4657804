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

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageMode",
    "count_pages",
    "faithful",
    "image_size",
    "open_image",
    "read_image",
    "verify_image",
]

ImageMode = Literal["RGB", "L"]

IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".tif",
    ".tiff",
    ".bmp",
    ".webp",
)
"""Suffixes by which pictures are found in a folder, in this order; also in capitals."""

EXIF_ORIENTATION = 0x0112
TRANSPOSED = range(5, 9)
"""Values of the EXIF orientation that exchange height and width."""


# Half of Pillow's limit only warns; the limit itself raises. Set here once, since the filters of a
# process are no business of the threads that read pictures.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """A picture opened lazily: the header at once, the pixels when they are used.

    Raises:
        DataError: The file is missing, no picture, truncated, or has more pixels than Pillow's
            limit (178 million).
    """
    try:
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
        reason = str(error).partition(",")[0]  # what follows speaks of attacks
        raise DataError(f"{path}: {reason}; cut the picture into tiles") from None
    except PermissionError:
        raise DataError(f"{path}: may not be read; ask its owner for permission") from None
    except (OSError, EOFError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); the file is damaged, copy or export it again"
        ) from None


def image_size(path: Path) -> tuple[int, int]:
    """Height and width in pixels as the picture is displayed, from the header alone."""
    with open_image(path) as image:
        return _upright_size(image)


def verify_image(path: Path, mode: ImageMode = "RGB", page: int = 0) -> tuple[int, int]:
    """Height and width of a picture that `read_image` will be able to read.

    About twice as fast for JPEG files, whose blocks are decoded to one pixel each.

    Raises:
        DataError: As `read_image`.
    """
    with open_image(path) as image:
        if page:
            image.seek(page)
        size = _upright_size(image)
        image.draft(mode, (1, 1))
        faithful(path, image)
        image.load()
    return size


def count_pages(path: Path) -> int:
    """Pictures in a file: the pages of a TIFF, 1 for anything else that is not animated."""
    with open_image(path) as image:
        return int(getattr(image, "n_frames", 1))


def read_image(path: Path, mode: ImageMode = "RGB", page: int = 0) -> NDArray[np.uint8]:
    """The pixels of a picture, turned as its EXIF orientation says, i.e. as the annotator saw it.

    Args:
        path: 8-bit grey, RGB or palette picture; an alpha channel is accepted where it is opaque
            everywhere.
        mode: ``RGB`` for ``(H, W, 3)``, ``L`` (grey) for ``(H, W)``.
        page: Which picture of a file that holds several, from 0.

    Raises:
        DataError: The file cannot be read, or holds what has no faithful 8-bit form (16 bit, CMYK,
            transparency).
    """
    with open_image(path) as image:
        if page:
            image.seek(page)
        # Each of these steps copies the picture, even where there is nothing to do.
        turned = ImageOps.exif_transpose(image) if EXIF_ORIENTATION in image.getexif() else image
        plain = faithful(path, turned)
        return np.array(plain if plain.mode == mode else plain.convert(mode))


def _upright_size(image: Image.Image) -> tuple[int, int]:
    if image.getexif().get(EXIF_ORIENTATION) in TRANSPOSED:
        return image.width, image.height
    return image.height, image.width


def faithful(path: Path, image: Image.Image) -> Image.Image:
    """The picture, opaque; refused if 8-bit RGB or grey would not be what it shows."""
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        opaque = image.convert("RGBA")
        lowest, _ = opaque.getchannel("A").getextrema()
        if lowest < 255:  # type: ignore[operator]  # one band: a pair of numbers
            raise DataError(
                f"{path}: the picture has transparent pixels; flatten it onto a background "
                "colour first"
            )
        return opaque
    if image.mode not in {"RGB", "L", "P", "1"}:
        raise DataError(
            f"{path}: colour mode {image.mode} cannot be read faithfully; allowed: 8-bit grey, RGB "
            "or palette; convert the picture first (16 bit: scale to 0..255 for the whole set "
            "alike)"
        )
    return image

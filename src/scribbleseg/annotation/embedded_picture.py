"""Pictures that annotation files carry inside them, as base64 text."""

import base64
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from scribbleseg.annotation.image_file import faithful
from scribbleseg.errors import DataError

__all__ = ["embedded_mask", "embedded_picture"]


def embedded_mask(where: str, text: str, largest: tuple[int, int]) -> NDArray[np.bool_]:
    """The painted pixels of a PNG, ``(h, w)`` bool: those that are not 0.

    Args:
        where: File and shape, for the message.
        text: The PNG in base64.
        largest: Height and width in pixels of the largest mask that is decoded.

    Raises:
        DataError: It is no PNG of one channel, damaged, or larger.
    """
    with _opened(where, text, ["PNG"]) as image:
        if image.height > largest[0] or image.width > largest[1]:
            raise DataError(
                f"{where}: mask of {image.width}x{image.height} pixels in a picture of "
                f"{largest[1]}x{largest[0]}"
            )
        if image.mode not in {"1", "L", "P"}:
            raise DataError(f"{where}: mask of mode {image.mode}; expected one channel of 8 bits")
        return np.asarray(image) > 0


def embedded_picture(where: str, text: str) -> NDArray[np.uint8]:
    """The pixels of a PNG or JPEG, ``(H, W)`` if it is grey and ``(H, W, 3)`` if it is not.

    Turned as its EXIF orientation says, i.e. as the annotator saw it.

    Args:
        where: File and key, for the message.
        text: The picture in base64.

    Raises:
        DataError: It is no picture, damaged, too large, or has no faithful 8-bit form.
    """
    with _opened(where, text, ["PNG", "JPEG"]) as image:
        plain = faithful(Path(where), ImageOps.exif_transpose(image))
        return np.array(plain.convert("L" if plain.mode in {"1", "L"} else "RGB"))


@contextmanager
def _opened(where: str, text: str, formats: list[str]) -> Iterator[Image.Image]:
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
        with Image.open(BytesIO(content), formats=formats) as image:
            yield image
    except Image.DecompressionBombError as error:
        raise DataError(f"{where}: {str(error).partition(',')[0]}") from None
    # What Pillow raises for damaged files depends on where the damage is.
    except (
        OSError,
        EOFError,
        SyntaxError,
        ValueError,
        TypeError,
        OverflowError,
        struct.error,
    ) as error:
        raise DataError(
            f"{where}: no {' or '.join(formats)} in base64 ({error}); export it again"
        ) from None

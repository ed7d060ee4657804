import base64
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.imported import damaged

from scribbleseg.annotation.embedded_picture import embedded_mask, embedded_picture
from scribbleseg.errors import DataError

MASK = np.array([[0, 1, 0], [1, 1, 0]], np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> str:
    buffer = BytesIO()
    image.save(buffer, format=kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def claiming(width: int, height: int) -> str:
    """A small PNG that says it has this size."""
    png = bytearray(base64.b64decode(encoded(Image.fromarray(MASK))))
    png[16:24] = struct.pack(">II", width, height)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    return base64.b64encode(png).decode()


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_what_is_not_0_is_painted(mode: str) -> None:
    image = Image.fromarray(MASK > 0) if mode == "1" else Image.fromarray(MASK)
    if mode == "P":
        image.putpalette([255, 0, 0, 0, 255, 0])
    np.testing.assert_array_equal(embedded_mask("a", encoded(image), (2, 3)), MASK > 0)


def test_line_ends_in_the_text_do_not_matter() -> None:
    text = encoded(Image.fromarray(MASK))
    np.testing.assert_array_equal(embedded_mask("a", f"{text[:20]}\n {text[20:]}\n", (2, 3)), MASK)


def test_a_picture_is_as_the_annotator_saw_it() -> None:
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 10
    np.testing.assert_array_equal(embedded_picture("a", encoded(Image.fromarray(pixels))), pixels)
    assert embedded_picture("a", encoded(Image.fromarray(pixels), "JPEG")).shape == (2, 3, 3)
    np.testing.assert_array_equal(embedded_picture("a", encoded(Image.fromarray(MASK))), MASK)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = embedded_picture("a", encoded(Image.fromarray(pixels), "JPEG", exif=exif))
    assert turned.shape == (3, 2, 3)


def test_large_masks_are_refused_before_they_are_decoded() -> None:
    text = claiming(10_000, 8_000)
    with pytest.raises(DataError, match=r"^a: mask of 10000x8000 pixels in a picture of 3x2"):
        embedded_mask("a", text, (2, 3))
    text = claiming(20_000, 9_000)
    with pytest.raises(DataError, match=r"^a: Image size \(180000000 pixels\) exceeds limit"):
        embedded_picture("a", text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no PNG in base64"),
        ("ab", "no PNG in base64"),
        ("é" * 8, "no PNG in base64"),
        (base64.b64encode(b"GIF89a").decode(), "no PNG in base64"),
        (encoded(Image.fromarray(MASK))[:-40], "no PNG in base64"),
        (encoded(Image.fromarray(MASK), "JPEG"), "no PNG in base64"),
        (encoded(Image.fromarray(np.zeros((2, 3, 3), np.uint8))), "mask of mode RGB"),
        (encoded(Image.fromarray(np.zeros((2, 3), np.uint16))), "mask of mode I;16"),
    ],
)
def test_what_is_no_mask_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"^a: {message}"):
        embedded_mask("a", text, (2, 3))


def test_transparent_pictures_are_refused() -> None:
    with pytest.raises(DataError, match="transparent"):
        embedded_picture("a", encoded(Image.new("RGBA", (3, 2))))


PICTURE = base64.b64decode(encoded(Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 30))))
PHOTO = base64.b64decode(encoded(Image.new("RGB", (9, 9), (1, 99, 200)), "JPEG"))


@given(st.one_of(damaged(PICTURE), damaged(PHOTO)))
@settings(max_examples=100)
def test_damaged_pictures_are_read_or_refused(content: bytes) -> None:
    text = base64.b64encode(content).decode()
    for size, read in (((99, 99), embedded_mask), (None, lambda a, b, _: embedded_picture(a, b))):
        try:
            pixels = read("a", text, size)
        except DataError:
            continue
        assert pixels.size

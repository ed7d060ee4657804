import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scribbleseg.annotation import image_size, read_image
from scribbleseg.annotation.image_file import verify_image
from scribbleseg.errors import DataError


def test_exif_rotation_is_applied_to_pixels_and_size(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :8] = 255  # white left edge
    exif = Image.Exif()
    exif[0x0112] = 6  # display turned clockwise: the left edge comes up
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    image = read_image(tmp_path / "a.jpg")
    assert image.shape == (40, 20, 3)
    assert image_size(tmp_path / "a.jpg") == (40, 20)
    assert image[:4].mean() > 200 > 50 > image[20:].mean()


def test_grey_and_palette_pictures(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 200]], np.uint8)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", "L").tolist() == [[0, 200]]
    assert read_image(tmp_path / "a.png").tolist() == [[[0, 0, 0], [200, 200, 200]]]


@pytest.mark.parametrize("mode", ["I;16", "CMYK", "F"])
def test_what_has_no_faithful_8_bit_form_is_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode in {"CMYK", "F"} else "a.png")
    Image.new(mode, (4, 4)).save(path)
    with pytest.raises(
        DataError, match=rf"{path.name}: colour mode {mode} .*allowed: 8-bit grey, RGB or palette"
    ):
        read_image(path)


def test_opaque_alpha_is_dropped_and_transparency_refused(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (10, 20, 30, 255)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [10, 20, 30]
    Image.new("RGBA", (4, 4), (10, 20, 30, 100)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png: the picture has transparent pixels; flatten"):
        read_image(tmp_path / "b.png")


def test_truncated_jpeg_is_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a\.jpg: cannot be read .*damaged"):
        read_image(tmp_path / "a.jpg")


def write_header(path: Path, width: int, height: int) -> None:
    """A PNG of a few bytes that claims to be large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def test_a_header_of_2500_megapixels_is_refused_unread(tmp_path: Path) -> None:
    write_header(tmp_path / "a.png", 50_000, 50_000)
    with pytest.raises(DataError, match=r"a\.png: Image size \(2500000000 pixels\).*tiles"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_verifying_finds_what_reading_would(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 80, 3)).astype(np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(path)
    assert verify_image(path) == verify_image(path, "L") == (64, 80)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"a\..*: cannot be read .*damaged"):
        verify_image(path)

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp
from PIL import Image

from scribbleseg.annotation import read_label, voc_palette, write_label
from scribbleseg.errors import DataError


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(label=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_round_trip_8_bit(tmp_path: Path, label: np.ndarray) -> None:
    write_label(tmp_path / "a.png", label, [(10, 20, 30), (200, 0, 0)])
    back = read_label(tmp_path / "a.png")
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, label)


def test_round_trip_16_bit(tmp_path: Path) -> None:
    label = np.array([[0, 300], [65535, 254]], np.uint16)
    write_label(tmp_path / "a.png", label)
    back = read_label(tmp_path / "a.png")
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, label)


def test_palette_is_read_as_index_never_as_luminance(tmp_path: Path) -> None:
    label = np.array([[0, 1, 15, 255]], np.uint8)
    write_label(tmp_path / "a.png", label)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        assert np.asarray(image.convert("L")).tolist() != label.tolist()  # the trap is set
        assert image.getpalette()[3:6] == [128, 0, 0]
    np.testing.assert_array_equal(read_label(tmp_path / "a.png"), label)


def test_three_equal_channels_are_accepted(tmp_path: Path) -> None:
    label = np.array([[0, 7], [255, 2]], np.uint8)
    Image.fromarray(np.stack([label] * 3, axis=-1)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label(tmp_path / "a.png"), label)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_of_few_bits_is_not_stretched(bits: int, tmp_path: Path) -> None:
    values = np.arange(2**bits, dtype=np.uint8)
    packed = bytes(
        sum(int(v) << (8 - bits * (i + 1)) for i, v in enumerate(values[at : at + 8 // bits]))
        for at in range(0, len(values), 8 // bits)
    )
    with (tmp_path / "a.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, content in (
            (b"IHDR", struct.pack(">IIBBBBB", len(values), 1, bits, 0, 0, 0, 0)),
            (b"IDAT", zlib.compress(b"\0" + packed)),
            (b"IEND", b""),
        ):
            file.write(struct.pack(">I", len(content)) + name + content)
            file.write(struct.pack(">I", zlib.crc32(name + content)))
    assert read_label(tmp_path / "a.png").tolist() == [values.tolist()]


def test_colours_of_16_bits_are_refused_even_if_equal(tmp_path: Path) -> None:
    label = np.array([[0, 1], [255, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([label] * 3))
    with pytest.raises(DataError, match=r"a\.png: .*three of 16 bits; save one channel alone"):
        read_label(tmp_path / "a.png")


def test_one_bit_mask(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert read_label(tmp_path / "a.png").tolist() == [[1, 0]]


def test_colours_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[0, 0, 0], [128, 0, 0]]], np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(
        DataError, match=r"a\.png: a label image holds one class index a pixel.*mode RGB.*convert"
    ):
        read_label(tmp_path / "a.png")


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.png: no such file"):
        read_label(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"b\.png: not a picture \(0 bytes\)"):
        read_label(tmp_path / "b.png")
    write_label(
        tmp_path / "c.png", np.random.default_rng(0).integers(0, 255, (50, 50)).astype(np.uint8)
    )
    (tmp_path / "c.png").write_bytes((tmp_path / "c.png").read_bytes()[:1000])
    with pytest.raises(DataError, match=r"c\.png: cannot be read"):
        read_label(tmp_path / "c.png")


def test_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_label(tmp_path / "a.png", np.zeros((2, 2, 7), np.uint8))
    write_label(tmp_path / "sub" / "b.png", np.zeros((2, 2), np.uint8))
    assert [path.name for path in tmp_path.rglob("*.*")] == ["b.png"]


def test_voc_palette_is_the_published_one() -> None:
    colors = voc_palette(256)
    assert colors[15] == (192, 128, 128)  # person
    assert colors[20] == (0, 64, 128)  # tvmonitor
    assert colors[255] == (224, 224, 192)  # void
    assert len(set(colors)) == 256

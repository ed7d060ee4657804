import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scribbleseg.annotation.tiff_pages import count_tiff_pages
from scribbleseg.errors import DataError


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pages", [1, 5])
def test_pages_are_counted(tmp_path: Path, big: bool, order: str, pages: int) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=big, byteorder=order) as file:
        for _ in range(pages):
            file.write(np.zeros((4, 5), np.uint8), contiguous=False)
    assert count_tiff_pages(path) == pages


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a TIFF file"),
        (b"II*", "ends within a page"),
        (struct.pack("<2sHI", b"II", 41, 8), "TIFF version 41"),
        (struct.pack("<2sHI", b"II", 42, 900), "out of the file"),
        (struct.pack("<2sHIHI", b"II", 42, 8, 0, 8), "in a circle"),
        (struct.pack("<2sHIHI", b"II", 42, 8, 60000, 0), "60000 entries"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        count_tiff_pages(path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0\x08\0\0\0" + tail)
    with suppress(DataError):
        assert count_tiff_pages(path) >= 0

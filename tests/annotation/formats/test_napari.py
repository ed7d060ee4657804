from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from scribbleseg.annotation import voc_palette
from scribbleseg.annotation.formats import Classes, LabelledImage, Options
from scribbleseg.annotation.formats.napari import FORMAT
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.errors import DataError

CLASSES = Classes(("background", "cat", "dog"), tuple(voc_palette(3)))


def save(path: Path, values: Any, dtype: Any = np.uint32) -> Path:
    """As a labels layer is saved by napari 0.4 and 0.5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.asarray(values, dtype), compression="zlib")
    return path


def read_all(source: Path, **options: Any) -> list[Drawing]:
    options.setdefault("classes", CLASSES)
    found = FORMAT.find(source, Options(**options))
    return [one for entry in found.entries for one in FORMAT.read(entry, Options(**options))]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int64])
def test_label_1_is_class_0_and_0_is_unlabelled(dtype: Any, tmp_path: Path) -> None:
    save(tmp_path / "a.tif", [[0, 1, 2], [3, 0, 0]], dtype)
    drawing, = read_all(tmp_path)  # fmt: skip
    assert drawing.label is not None
    assert drawing.label.tolist() == [[255, 0, 1], [2, 255, 255]]
    assert (drawing.name, drawing.size, drawing.volume) == ("a", (2, 3), None)


def test_stacks_are_slices_with_their_pictures(tmp_path: Path) -> None:
    stack = np.arange(2 * 5 * 6).reshape(2, 5, 6)
    save(tmp_path / "labels/a.tif", stack % 4)
    save(tmp_path / "images/a.tif", stack, np.uint8)
    first, second = read_all(tmp_path / "labels")
    assert (first.name, second.name) == ("a_slice_0", "a_slice_1")
    assert first.label is not None
    np.testing.assert_array_equal(first.label, np.array([255, 0, 1, 2])[stack[0] % 4])
    np.testing.assert_array_equal(second.picture, stack[1])
    assert first.remarks == ("distances of slices, rows and columns are not known",)
    (tmp_path / "images/a.tif").unlink()
    Image.new("L", (6, 5)).save(tmp_path / "images/a.png")
    with pytest.raises(DataError, match=r"2 slices, but .*a\.png is a single picture"):
        read_all(tmp_path / "labels")


def test_flat_labels_go_with_their_picture_file(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", [[1, 0]])
    Image.new("RGB", (2, 1)).save(tmp_path / "a.png")
    drawing, = read_all(tmp_path)  # fmt: skip
    assert drawing.picture == tmp_path / "a.png"


def test_labels_without_a_class_are_counted(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", [[0, 4, 4]])
    with pytest.raises(DataError, match=r"a\.tif: a: value 4 on 2 pixels; known values are 0\.\.3"):
        read_all(tmp_path)


def test_zarr_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.zarr").mkdir()
    for source in (tmp_path, tmp_path / "labels.zarr"):
        with pytest.raises(DataError, match=r"labels\.zarr: zarr is not read; save .* as \.tif"):
            FORMAT.find(source, Options(CLASSES))


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    label=hnp.arrays(
        np.uint8,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2),
        elements=st.sampled_from([0, 1, 2, 255]),
    )
)
def test_what_is_written_is_read_back(label: np.ndarray, tmp_path: Path) -> None:
    assert FORMAT.write is not None
    image = LabelledImage("b/a", tmp_path / "no.png", lambda: label)
    FORMAT.write([image], CLASSES, tmp_path / "out")
    drawing, = read_all(tmp_path / "out")  # fmt: skip
    assert drawing.name == "b/a"
    np.testing.assert_array_equal(drawing.label, label)


def test_16_bit_labels_are_read_back(tmp_path: Path) -> None:
    assert FORMAT.write is not None
    many = Classes(tuple(map(str, range(300))), tuple(voc_palette(256) + voc_palette(44)))
    label = np.array([[0, 299, 65535], [255, 1, 65535]], np.uint16)
    FORMAT.write([LabelledImage("a", tmp_path / "no.png", lambda: label)], many, tmp_path)
    drawing, = read_all(tmp_path, classes=many)  # fmt: skip
    np.testing.assert_array_equal(drawing.label, label)

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.io import loadmat, savemat

from scribbleseg.data.preparation.matlab_file import read_matlab
from scribbleseg.errors import DataError

MASK = np.arange(12, dtype=np.uint8).reshape(3, 4)


DTYPES = [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    array=st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays(
            dtype, array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 9)
        )
    ),
    compressed=st.booleans(),
)
def test_what_scipy_writes_is_read(array: np.ndarray, compressed: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    boundaries = np.array([[1.0], [{"a": 1}]], dtype=object)
    content = {
        "LabelMap": array,
        "names": "of classes",
        "GTcls": {"Boundaries": boundaries, "Segmentation": array, "CategoriesPresent": [1.0]},
    }
    savemat(path, content, do_compression=compressed)
    for found in (read_matlab(path, "LabelMap"), read_matlab(path, "GTcls", "Segmentation")):
        assert np.array_equal(found, loadmat(path)["LabelMap"])


def test_files_of_other_machines_are_read(tmp_path: Path) -> None:
    """Big-endian, written by hand."""
    matrix = b"".join(
        [
            struct.pack(">2I2I", 6, 8, 11, 0),  # flags: class uint16
            struct.pack(">2I2i", 5, 8, 2, 3),
            struct.pack(">HH4s", 1, 1, b"a"),  # a short element: the name
            struct.pack(">2I6H4x", 4, 12, 1, 4, 2, 5, 3, 600),
        ]
    )
    path = tmp_path / "a.mat"
    path.write_bytes(b" " * 124 + b"\1\0MI" + struct.pack(">2I", 14, len(matrix)) + matrix)
    assert read_matlab(path, "a").tolist() == [[1, 2, 3], [4, 5, 600]]


def test_what_is_no_label_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with pytest.raises(DataError, match=r"a\.mat: no such file"):
        read_matlab(path, "LabelMap")
    savemat(path, {"other": MASK, "LabelMap": "text", "GTcls": {"Boundaries": 1.0}})
    with pytest.raises(DataError, match=r"no variable 'x'; it holds other, LabelMap, GTcls"):
        read_matlab(path, "x")
    with pytest.raises(DataError, match=r"LabelMap: class 4 of shape \[1, 4\]; expected a label"):
        read_matlab(path, "LabelMap")
    with pytest.raises(DataError, match=r"GTcls\.Segmentation: no field 'Segmentation'"):
        read_matlab(path, "GTcls", "Segmentation")
    with pytest.raises(DataError, match=r"other\.Segmentation: no struct, or several"):
        read_matlab(path, "other", "Segmentation")
    good = path.read_bytes()
    for content in (b"", b"MATLAB 5.0 MAT-file, and nothing more", b"\x89HDF" + good):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"no Matlab file of version 5 to 7\.2"):
            read_matlab(path, "other")
    path.write_bytes(good[:150])
    with pytest.raises(DataError, match=r"a\.mat: cannot be read"):
        read_matlab(path, "other")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), compressed=st.booleans())
def test_changed_bytes_cause_nothing_but_an_error(
    data: st.DataObject, compressed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"GTcls": {"Segmentation": MASK}}, do_compression=compressed)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        array = read_matlab(path, "GTcls", "Segmentation")
    except DataError:
        return
    assert array.ndim == 2

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from tests.imported import errors_for_the_user

from scribbleseg.annotation import voc_palette
from scribbleseg.annotation.formats import Classes, Entry, LabelledImage, Options
from scribbleseg.annotation.formats.index_png import FORMAT
from scribbleseg.annotation.raster import Raster, rasterise
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.errors import ConfigError, DataError

CLASSES = Classes(("background", "cat", "dog"), tuple(voc_palette(3)))


def read_file(path: Path, classes: Classes = CLASSES, **options: Any) -> Drawing:
    drawing, = FORMAT.read(Entry("a", path), Options(classes, **options))  # fmt: skip
    return drawing


def save(path: Path, values: Any, dtype: Any = np.uint8) -> Path:
    Image.fromarray(np.asarray(values, dtype)).save(path)
    return path


def test_255_is_unlabelled_and_values_are_classes(tmp_path: Path) -> None:
    drawing = read_file(save(tmp_path / "a.png", [[0, 1, 255], [2, 255, 255]]))
    assert drawing.label is not None
    assert drawing.label.tolist() == [[0, 1, 255], [2, 255, 255]]
    assert drawing.size == (2, 3)
    assert drawing.marks == ()


def test_a_palette_is_read_as_indices(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1, 2, 255]], np.uint8))
    image.putpalette([channel for color in voc_palette(256) for channel in color])
    image.save(tmp_path / "a.png")
    drawing = read_file(tmp_path / "a.png")
    assert drawing.label is not None
    assert drawing.label.tolist() == [[0, 1, 2, 255]]


def test_16_bits_mark_unlabelled_by_65535(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", [[0, 2, 65535, 255]], np.uint16)
    label = read_file(path).label
    assert label is not None
    assert (label.dtype, label.tolist()) == (np.uint8, [[0, 2, 255, 255]])
    many = Classes(tuple(map(str, range(300))), tuple((0, 0, 0) for _ in range(300)))
    label = read_file(path, many).label
    assert label is not None
    assert (label.dtype, label.tolist()) == (np.uint16, [[0, 2, 65535, 255]])


def test_another_value_may_stand_for_unlabelled(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", [[0, 1, 2, 254, 255]])
    label = read_file(path, unlabelled=254).label
    assert label is not None
    assert label.tolist() == [[0, 1, 2, 255, 255]]
    with pytest.raises(DataError, match=r"a\.png: value 254 on 1 pixels; known values are 0\.\.2"):
        read_file(path)


def test_unlabelled_0_means_that_the_background_is_never_drawn(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", [[0, 1, 2]])
    label = read_file(path, unlabelled=0).label
    assert label is not None
    assert label.tolist() == [[255, 1, 2]]
    found = FORMAT.find(tmp_path, Options(CLASSES, unlabelled=0))
    assert found.remarks == ("0 is unlabelled: the background, class 0, is never drawn",)
    assert found.classes is None


@pytest.mark.parametrize(("value", "what"), [(1, "class 'cat'"), (-1, "no value"), (70000, "no")])
def test_a_class_cannot_stand_for_unlabelled(value: int, what: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"unlabelled: {value} is {what}"):
        read_file(save(tmp_path / "a.png", [[0]]), unlabelled=value)


def test_jpeg_is_refused_whatever_it_is_called(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png", format="JPEG")
    with pytest.raises(DataError, match=r"a\.png: a JPEG picture"):
        read_file(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="only JPEG files"):
        FORMAT.find(tmp_path, Options(CLASSES))


def test_colours_and_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", [[[0, 0, 0], [128, 0, 0]]])
    with pytest.raises(DataError, match=r"a\.png: a label image holds one class index"):
        read_file(path)
    (tmp_path / "images").mkdir()
    save(tmp_path / "images/a.png", [[1], [2]])
    (tmp_path / "labels").mkdir()
    save(tmp_path / "labels/a.png", [[1, 2]])
    entry, = FORMAT.find(tmp_path / "labels", Options(CLASSES)).entries  # fmt: skip
    with pytest.raises(DataError, match=r"labels/a\.png: drawn on 2x1 pixels.*1x2; was"):
        list(FORMAT.read(entry, Options(CLASSES)))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    label=hnp.arrays(
        np.uint8, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.sampled_from([0, 1, 2, 255])
    )
)
def test_what_is_written_is_read_back(label: np.ndarray, tmp_path: Path) -> None:
    assert FORMAT.write is not None
    image = LabelledImage("b/a", tmp_path / "no.png", lambda: label)
    FORMAT.write([image], CLASSES, tmp_path)
    with Image.open(tmp_path / "b/a.png") as written:
        assert written.mode == "P"
    drawing = read_file(tmp_path / "b/a.png")
    np.testing.assert_array_equal(rasterise(drawing, CLASSES.index, Raster()), label)


@pytest.mark.filterwarnings("ignore")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    edits=st.lists(st.tuples(st.integers(0, 120), st.binary(max_size=5)), min_size=1, max_size=3)
)
def test_damaged_files_cost_a_data_error_at_most(
    edits: list[tuple[int, bytes]], tmp_path: Path
) -> None:
    content = save(tmp_path / "a.png", np.eye(9)).read_bytes()
    for begin, new in edits:
        content = content[:begin] + new + content[begin + len(new) :]
    (tmp_path / "a.png").write_bytes(content)
    with errors_for_the_user("a.png"):
        assert read_file(tmp_path / "a.png").label is not None

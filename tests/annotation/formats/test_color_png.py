from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from scribbleseg.annotation import voc_palette, write_label
from scribbleseg.annotation.formats import Classes, Entry, LabelledImage, Options
from scribbleseg.annotation.formats.color_png import FORMAT
from scribbleseg.errors import ConfigError, DataError

CLASSES = Classes(("background", "cat", "dog"), ((0, 0, 0), (200, 0, 10), (10, 0, 200)))
CAT, DOG, WHITE = (200, 0, 10), (10, 0, 200), (255, 255, 255)


def read_file(path: Path, classes: Classes = CLASSES, **options: Any) -> list[list[int]]:
    drawing, = FORMAT.read(Entry("a", path), Options(classes, **options))  # fmt: skip
    assert drawing.label is not None
    assert drawing.label.dtype == np.uint8
    labels: list[list[int]] = drawing.label.tolist()
    return labels


def save(path: Path, colors: Any) -> Path:
    Image.fromarray(np.array(colors, np.uint8)).save(path)
    return path


def test_colours_are_classes_and_white_is_unlabelled(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", [[CAT, CAT, WHITE], [DOG, (0, 0, 0), CAT]])
    assert read_file(path) == [[1, 1, 255], [2, 0, 1]]
    white_dog = Classes(CLASSES.names, ((0, 0, 0), CAT, WHITE))
    assert read_file(save(path, [[CAT, WHITE]]), white_dog) == [[1, 2]]


def test_transparent_pixels_are_unlabelled_whatever_their_colour(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", [[(*CAT, 255), (*CAT, 0), (1, 2, 3, 0)]])
    assert read_file(path) == [[1, 255, 255]]
    save(path, [[(*CAT, 255), (*CAT, 128)]])
    with pytest.raises(DataError, match=r"\(200, 0, 10, alpha 128\) on 1 pixels, first in row 0"):
        read_file(path)


def test_a_palette_picture_has_the_colours_of_its_palette(tmp_path: Path) -> None:
    voc = Classes(("background", "plane", "bike"), tuple(voc_palette(3)))
    write_label(tmp_path / "a.png", np.array([[2, 0, 255, 1]], np.uint8))
    assert read_file(tmp_path / "a.png", voc) == [[2, 0, 255, 1]]
    save(tmp_path / "b.png", [[0, 255]])  # grey
    assert read_file(tmp_path / "b.png") == [[0, 255]]


def test_unlabelled_may_be_any_colour_of_no_class(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", [[CAT, (1, 2, 3)]])
    assert read_file(path, unlabelled=0x010203) == [[1, 255]]
    save(path, [[CAT, WHITE]])
    with pytest.raises(DataError, match=r"\(255, 255, 255\) on 1 pixels"):
        read_file(path, unlabelled=0x010203)
    for value in (0xC8000A, -1, 1 << 24):
        with pytest.raises(ConfigError, match=r"unlabelled: .* is no colour, or that of a class"):
            FORMAT.find(tmp_path, Options(CLASSES, unlabelled=value))


def test_unknown_colours_are_counted_the_most_frequent_first(tmp_path: Path) -> None:
    strange = [(100, 0, 5)] + [(9, 9, 9)] * 3 + [(1, 1, 1)] * 2 + [(2, 2, 2)]
    path = save(tmp_path / "a.png", [[CAT] * 7, strange])
    with pytest.raises(DataError) as caught:
        read_file(path)
    assert str(caught.value) == (
        f"{path}: 4 colours of no class: (9, 9, 9) on 3 pixels, first in row 1, column 1, "
        "(1, 1, 1) on 2 pixels, first in row 1, column 4, "
        "(2, 2, 2) on 1 pixels, first in row 1, column 6 and 1 more. Is it antialiased, or does "
        "the table lack a class?"
    )


def test_the_table_of_colours_has_to_be_given_and_to_be_unique(tmp_path: Path) -> None:
    save(tmp_path / "a.png", [[CAT]])
    with pytest.raises(ConfigError, match="which colour is which class"):
        FORMAT.find(tmp_path, Options())
    twins = Classes(CLASSES.names, (CAT, DOG, CAT))
    with pytest.raises(ConfigError, match="classes: background, dog share a colour"):
        FORMAT.find(tmp_path, Options(twins))
    found = FORMAT.find(tmp_path, Options(CLASSES))
    assert [entry.name for entry in found.entries] == ["a"]


def test_jpeg_16_bits_and_other_sizes_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", format="JPEG")
    with pytest.raises(DataError, match=r"a\.png: a JPEG picture"):
        read_file(tmp_path / "a.png")
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png: colour mode I;16"):
        read_file(tmp_path / "b.png")
    path = save(tmp_path / "c.png", [[CAT, CAT]])
    Image.new("RGB", (3, 3)).save(tmp_path / "c.jpg")
    with pytest.raises(DataError, match=r"2x1 pixels, but .* has 3x3"):
        list(FORMAT.read(Entry("c", path, tmp_path / "c.jpg"), Options(CLASSES)))


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
    before = label.copy()
    image = LabelledImage("b/a", tmp_path / "no.png", lambda: label)
    FORMAT.write([image], CLASSES, tmp_path)
    assert read_file(tmp_path / "b/a.png") == label.tolist()
    np.testing.assert_array_equal(label, before)

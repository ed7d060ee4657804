import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.imported import errors_for_the_user

from scribbleseg.annotation import voc_palette
from scribbleseg.annotation.formats import Classes, Options
from scribbleseg.annotation.formats import points as points_module
from scribbleseg.annotation.formats.points import FORMAT
from scribbleseg.annotation.raster import Raster, rasterise
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.errors import DataError


def write(root: Path, content: Any, name: str = "points.json") -> Path:
    (root / name).write_text(json.dumps(content), encoding="utf-8")
    if not (root / "2007_000032.jpg").exists():
        Image.new("RGB", (12, 8)).save(root / "2007_000032.jpg")
    return root / name


def read_all(source: Path, **options: Any) -> list[Drawing]:
    found = FORMAT.find(source, Options(**options))
    options.setdefault("classes", found.classes)
    return [one for entry in found.entries for one in FORMAT.read(entry, Options(**options))]


def test_one_file_for_many_pictures_as_whats_the_point_has_it(tmp_path: Path) -> None:
    Image.new("RGB", (5, 4)).save(tmp_path / "2008_1.png")
    path = write(
        tmp_path,
        {
            "2007_000032": [{"cls": 1, "x": 3, "y": 2, "rank": 1}, {"cls": 20, "x": 11, "y": 7}],
            "2008_1": [],
        },
    )
    first, second = read_all(path)
    label = rasterise(first, FORMAT.find(path, Options()).classes.index, FORMAT.raster)  # type: ignore[union-attr]
    assert np.argwhere(label != 255).tolist() == [[2, 3], [7, 11]]
    assert (label[2, 3], label[7, 11]) == (1, 20)
    assert (first.name, first.size, first.remarks) == ("2007_000032", (8, 12), ())
    assert second.remarks == ("no points: every pixel is unlabelled",)
    assert "PASCAL VOC" in FORMAT.find(path, Options()).remarks[1]


def test_one_file_a_picture_with_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        [{"label": "dog", "x": 1.2, "y": 1}, {"class": " background", "x": 5, "y": 5}],
        "2007_000032.json",
    )
    found = FORMAT.find(tmp_path, Options())
    assert found.classes is not None
    assert found.classes.names == ("background", "dog")
    drawing, = read_all(tmp_path)  # fmt: skip
    label = rasterise(drawing, found.classes.index, Raster("opencv", 3))
    assert (label == 1).sum() == 9
    assert label[5, 5] == 0


def test_names_of_pictures_lose_only_suffixes_of_pictures(tmp_path: Path) -> None:
    path = write(tmp_path, {"2007_000032.jpg": [], "scan.01": []})
    assert [entry.name for entry in FORMAT.find(path, Options()).entries] == [
        "2007_000032",
        "scan.01",
    ]
    with pytest.raises(DataError, match=r"scan\.01: says no size, and its picture was not found"):
        read_all(path)
    write(tmp_path, {"a.jpg": [], "a": []})
    with pytest.raises(DataError, match="two pictures would have one id"):
        FORMAT.find(path, Options())
    write(tmp_path, {"../a": []})
    with pytest.raises(DataError, match=r"points\.json: picture name '\.\./a\.json'"):
        FORMAT.find(path, Options())


def test_points_outside_are_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path, {"2007_000032": [{"cls": 1, "x": 12, "y": 2}, {"cls": 1, "x": 11, "y": 2}]}
    )
    drawing, = read_all(path)  # fmt: skip
    assert drawing.remarks == ("1 points outside the picture",)


def test_classes_of_the_user(tmp_path: Path) -> None:
    classes = Classes(("background", "cat"), tuple(voc_palette(2)))
    path = write(tmp_path, {"2007_000032": [{"cls": 2, "x": 1, "y": 1}]})
    with pytest.raises(DataError, match=r"2007_000032, point 1: class 2; expected 0\.\.1"):
        read_all(path, classes=classes)
    write(tmp_path, {"2007_000032": [{"cls": "cow", "x": 1, "y": 1}, {"cls": 1, "x": 1, "y": 1}]})
    with pytest.raises(DataError, match="point 1: class 'cow' is unknown"):
        read_all(path, classes=classes)
    drawing, = read_all(path, classes=classes, unknown="skip")  # fmt: skip
    assert [mark.class_name for mark in drawing.marks] == ["cat"]
    assert "'cow'" in drawing.remarks[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (3, "content is 3; expected"),
        ({"2007_000032": 3}, "'2007_000032' is 3; expected a list"),
        ({"2007_000032": [3]}, "point 1 is 3; expected"),
        ({"2007_000032": [{"x": 1, "y": 1}]}, "point 1: no cls or class or label"),
        ({"2007_000032": [{"cls": 1, "x": 1}]}, "point 1: y is None; expected a number"),
        ({"2007_000032": [{"cls": 1, "x": 1, "y": [2]}]}, "point 1: y is [2]; expected a number"),
        ({"2007_000032": [{"cls": 1, "x": 1e9, "y": 2}]}, "is no place in a picture"),
        ({"2007_000032": [{"cls": 1.5, "x": 1, "y": 2}]}, "class name 1.5"),
        ({"2007_000032": [{"cls": True, "x": 1, "y": 2}]}, "class name True"),
    ],
)
def test_what_cannot_be_meant_is_refused(content: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=r"points\.json") as caught:
        read_all(path)
    assert message in str(caught.value)


def test_too_many_points_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points_module, "MOST_POINTS", 1)
    path = write(tmp_path, {"2007_000032": [{"cls": 1, "x": 1, "y": 1}] * 2})
    with pytest.raises(DataError, match="'2007_000032' has 2 points; at most 1"):
        read_all(path)


VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
POINT = VALUE | st.dictionaries(
    st.sampled_from(["cls", "class", "label", "x", "y"]), VALUE | st.lists(VALUE, max_size=2)
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=VALUE
    | st.lists(POINT, max_size=3)
    | st.dictionaries(
        st.sampled_from(["2007_000032", "b", "../c", ""]), st.lists(POINT, max_size=3) | VALUE
    )
)
def test_any_content_costs_an_error_for_the_user_at_most(content: Any, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with errors_for_the_user("points.json"):
        for drawing in read_all(path):
            assert drawing.size == (8, 12)

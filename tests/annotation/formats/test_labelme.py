import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.imported import (
    changed,
    classes_of,
    damaged,
    exported,
    imported,
    read_all,
    read_or_refuse,
    save_picture,
)

from scribbleseg.annotation.formats import Options
from scribbleseg.annotation.raster import Raster
from scribbleseg.errors import DataError

THIN = Raster("opencv", 1)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def png(pixels: Any) -> str:
    buffer = BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def shape(label: str, kind: str | None, points: Any, **more: Any) -> dict[str, Any]:
    """As LabelMe 5.5 writes it."""
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
        **more,
    }


def content(*shapes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "a.png",
        "imageData": None,
        "imageHeight": 6,
        "imageWidth": 8,
        **more,
    }


def write(folder: Path, *shapes: dict[str, Any], name: str = "a", **more: Any) -> Path:
    save_picture(folder / f"{name}.png", (6, 8))
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content(*shapes, **more)))
    return path


EVERY_KIND = (
    shape("cell", "linestrip", [[0.5, 0.5], [3.5, 0.5], [0.5, 0.5]]),
    shape("cell", "line", [[5.5, 0.5], [5.5, 1.5]]),
    shape("bg", "point", [[7.5, 5.5]]),
    shape("cell", "points", [[7.5, 0.5], [7.5, 2.5]]),
    shape("dust", "rectangle", [[0, 3], [2, 5]]),
    shape("dust", "polygon", [[3.5, 3.5], [5.5, 3.5], [5.5, 5.5], [3.5, 5.5]]),
    shape("bg", "mask", [[6, 3], [7, 4]], mask=png([[1, 0], [0, 1]])),
)


def test_every_kind_of_shape_is_painted_in_its_place(tmp_path: Path) -> None:
    write(tmp_path, *EVERY_KIND)
    u = 255
    expected = [
        [1, 1, 1, 1, u, 1, u, 1],
        [u, u, u, u, u, 1, u, u],
        [u, u, u, u, u, u, u, 1],
        [2, 2, u, 2, 2, u, 0, u],
        [2, 2, u, 2, 2, u, u, 0],
        [u, u, u, u, u, u, u, 0],
    ]
    assert imported("labelme", tmp_path, raster=THIN)["a"].tolist() == expected
    drawings, classes = read_all("labelme", tmp_path)
    assert classes.names == ("bg", "cell", "dust")
    assert drawings["a"].picture == tmp_path / "a.png"
    assert drawings["a"].remarks == ()


def test_a_linestrip_that_ends_where_it_began_stays_a_line(tmp_path: Path) -> None:
    ring = [[0.5, 0.5], [6.5, 0.5], [6.5, 4.5], [0.5, 4.5], [0.5, 0.5]]
    write(tmp_path, shape("cell", "linestrip", ring))
    label = imported("labelme", tmp_path, raster=THIN)["a"]
    assert (label == 1).sum() == 20
    assert label[2, 3] == 255


def test_circles_turned_rectangles_and_old_polygons(tmp_path: Path) -> None:
    write(
        tmp_path,
        shape("a", "circle", [[4, 3], [4, 1]]),
        shape("b", "oriented_rectangle", [[0.5, 0.5], [1.5, 0.5], [1.5, 1.5], [0.5, 1.5]]),
        shape("c", None, [[6.6, 4.4], [8, 4.4], [8, 5.8]]),
    )
    label = imported("labelme", tmp_path, raster=THIN)["a"]
    assert (label[2:4, 3:5] == 1).all()
    assert label[0, 3] == 255
    assert np.argwhere(label == 2).tolist() == [[0, 0]]
    assert np.argwhere(label == 3).tolist() == [[4, 7]]


def test_the_picture_is_found_by_the_last_part_of_its_path(tmp_path: Path) -> None:
    for stated in ("..\\..\\photos\\a.png", "/home/me/a.png", "../a.png", "", None, "gone.png"):
        write(tmp_path, imagePath=stated)
        assert read_all("labelme", tmp_path)[0]["a"].picture == tmp_path / "a.png"
    (tmp_path / "a.png").unlink()
    elsewhere = save_picture(tmp_path.parent / f"{tmp_path.name} pictures/b/a.png", (6, 8))
    options = Options(images=elsewhere.parents[1])
    assert read_all("labelme", tmp_path, options)[0]["a"].picture == elsewhere


def test_files_of_one_name_in_two_folders_have_their_own_pictures(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder)
    drawings, _ = read_all("labelme", tmp_path)
    assert {name: drawing.picture for name, drawing in drawings.items()} == {
        "one/a": tmp_path / "one/a.png",
        "two/a": tmp_path / "two/a.png",
    }
    assert drawings["one/a"].remarks == ("nothing is drawn",)


def test_the_picture_in_the_file_is_used_where_there_is_no_other(tmp_path: Path) -> None:
    pixels = np.arange(48).reshape(6, 8)
    path = write(tmp_path, imageData=png(pixels), imageHeight=None, imageWidth=None)
    assert read_all("labelme", path)[0]["a"].picture == tmp_path / "a.png"
    (tmp_path / "a.png").unlink()
    drawing = read_all("labelme", path)[0]["a"]
    np.testing.assert_array_equal(drawing.picture, pixels)
    assert drawing.size == (6, 8)


def test_a_polygon_of_whole_corners_is_the_rectangle(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    corners = [[1, 2], [7, 2], [7, 5], [1, 5]]
    write(tmp_path, shape("cell", "polygon", corners))
    write(tmp_path / "x", shape("cell", "rectangle", [corners[0], corners[2]]))
    labels = imported("labelme", tmp_path)
    assert (labels["a"] == 1).sum() == 18
    np.testing.assert_array_equal(labels["a"], labels["x/a"])


def test_a_picture_of_another_folder_is_not_taken(tmp_path: Path) -> None:
    for folder in ("A", "B"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, name="img 1", imagePath="img 1.png")
    (tmp_path / "A/img 1.png").unlink()
    drawings, _ = read_all("labelme", tmp_path)
    assert drawings["A/img 1"].picture is None
    assert drawings["B/img 1"].picture == tmp_path / "B/img 1.png"


def test_the_picture_in_the_file_is_preferred_to_one_elsewhere(tmp_path: Path) -> None:
    path = write(tmp_path, imageData=png(np.zeros((6, 8))))
    (tmp_path / "a.png").unlink()
    elsewhere = save_picture(tmp_path / "old/a.png", (6, 8))
    assert isinstance(read_all("labelme", tmp_path)[0]["a"].picture, np.ndarray)
    options = Options(images=tmp_path / "old")
    assert read_all("labelme", tmp_path, options)[0]["a"].picture == elsewhere
    path.write_text(json.dumps(content()))
    assert read_all("labelme", tmp_path)[0]["a"].picture == elsewhere


def test_the_way_from_the_file_to_its_picture_is_followed_within_the_folder(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder / "json").mkdir(parents=True)
        stated = "..\\photos\\a.png" if folder == "x" else "../photos/a.png"
        path = write(tmp_path / folder / "json", imagePath=stated)
        path.with_suffix(".png").unlink()
        save_picture(tmp_path / folder / "photos/a.png", (6, 8))
    assert {
        name: drawing.picture for name, drawing in read_all("labelme", tmp_path)[0].items()
    } == {
        "x/json/a": tmp_path / "x/photos/a.png",
        "y/json/a": tmp_path / "y/photos/a.png",
    }


def test_the_suffix_that_is_stated_is_taken(tmp_path: Path) -> None:
    write(tmp_path)
    other = save_picture(tmp_path / "a.jpg", (6, 8))
    assert read_all("labelme", tmp_path)[0]["a"].picture == tmp_path / "a.png"
    (tmp_path / "a.png").unlink()
    assert read_all("labelme", tmp_path)[0]["a"].picture == other


def test_unknown_classes_are_named_or_left_out(tmp_path: Path) -> None:
    write(tmp_path, *EVERY_KIND)
    classes = classes_of("bg", "cells")
    with pytest.raises(
        DataError, match=r"a\.json: shapes\[0\]: class 'cell' is unknown; did you mean 'cells'\?"
    ):
        read_all("labelme", tmp_path, Options(classes))
    drawings, _ = read_all("labelme", tmp_path, Options(classes, unknown="skip"))
    assert len(drawings["a"].marks) == 2
    assert drawings["a"].remarks == (
        "strokes left out: 'cell' is not one of the classes",
        "strokes left out: 'dust' is not one of the classes",
    )


def test_classes_that_the_user_gives_settle_what_the_files_contradict(tmp_path: Path) -> None:
    write(tmp_path, shape("bg", "point", [[1, 1]]), shape("background", "point", [[2, 2]]))
    with pytest.raises(DataError, match=r"'background' and 'bg' both mean the background"):
        read_all("labelme", tmp_path)
    options = Options(classes_of("bg", "cell"), unknown="skip")
    assert len(read_all("labelme", tmp_path, options)[0]["a"].marks) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shapes": None}, r"a\.json: shapes is None; expected a list"),
        ({"shapes": [3]}, r"shapes\[0\] is 3; expected key: value pairs"),
        ({"shapes": [shape("", "point", [[1, 1]])]}, r"shapes\[0\]: class name '' is not a text"),
        (
            {"shapes": [shape("c", "blob", [[1, 1]])]},
            r"shapes\[0\]: shape_type is 'blob'; known",
        ),
        ({"shapes": [shape("c", "line", [[1, 1]])]}, r"shapes\[0\]: line of 1 points; expected 2"),
        ({"shapes": [shape("c", "point", [])]}, r"shapes\[0\]: points are not pairs"),
        ({"shapes": [shape("c", "polygon", [[1, None]])]}, r"points are not pairs|no place"),
        ({"shapes": [shape("c", "linestrip", [[1, 1e9]])]}, r"point \(1\.0, 1000000000\.0\) is no"),
        ({"shapes": [shape("c", "mask", [[1, 1], [2, 2]])]}, r"mask is None; expected a text"),
        (
            {"shapes": [shape("c", "mask", [[1, 1], [2, 2]], mask=png([[1] * 4]))]},
            r"shapes\[0\]: mask of 4x1 pixels in a box of 2x2",
        ),
        (
            {"shapes": [shape("c", "mask", [[0, 0], [8, 0]], mask=png([[1] * 9]))]},
            r"shapes\[0\]: mask: mask of 9x1 pixels in a picture of 8x6",
        ),
        ({"imageHeight": 7}, r"a\.json: drawn on 8x7 pixels, but .*a\.png has 8x6"),
        ({"imageHeight": "tall"}, r"a\.json: height is 'tall'; expected a number"),
        ({"imageHeight": None}, r"a\.json: height is None; expected a number"),
        ({"imagePath": 3}, r"a\.json: imagePath is 3; expected a text"),
        ({"imagePath": "a\x00.png"}, r"a\.json: picture name 'a\\x00.png' is not a relative"),
    ],
)
def test_files_that_make_no_sense_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    write(tmp_path, **change)
    with pytest.raises(DataError, match=message):
        read_all("labelme", tmp_path)


def test_a_picture_in_the_file_of_another_size_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, imageData=png([[1]]))
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match=r"drawn on 8x6 pixels, but imageData has 1x1"):
        read_all("labelme", path)
    path.write_text(json.dumps(content(imageHeight=None, imageWidth=None)))
    with pytest.raises(DataError, match=r"says no size, and its picture was not found"):
        read_all("labelme", path)


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_labels_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    classes = classes_of("background", "disc", "square")
    rows = st.lists(st.sampled_from([0, 1, 2, 255]), min_size=9, max_size=9)
    label = np.array(data.draw(st.lists(rows, min_size=1, max_size=7)), np.uint8)
    folder = tmp_path_factory.mktemp("labelme")
    target = exported("labelme", {"a": label, "b/c": label.T}, classes, folder)
    back = imported("labelme", target, Options(classes, images=folder / "images"))
    np.testing.assert_array_equal(back["a"], label)
    np.testing.assert_array_equal(back["b/c"], label.T)


def test_a_file_is_written_as_labelme_does(tmp_path: Path) -> None:
    label = np.full((6, 8), 255, np.uint8)
    label[1, 2:5] = 1
    label[4, 4] = 1
    target = exported("labelme", {"x/a": label}, classes_of("background", "cell"), tmp_path)
    written = json.loads((target / "x/a.json").read_text())
    assert list(written) == list(content())
    assert written["imagePath"] == "../../images/x/a.png"
    assert (written["imageHeight"], written["imageWidth"]) == (6, 8)
    assert [set(piece) for piece in written["shapes"]] == [set(shape("", "", []))] * 2
    assert [piece["points"] for piece in written["shapes"]] == [[[2, 1], [4, 1]], [[4, 4], [4, 4]]]
    drawings, _ = read_all("labelme", target)  # the way from the file to the picture is not gone
    assert drawings["x/a"].picture is None


@given(damaged(json.dumps(content(*EVERY_KIND, imageData=png([[1, 2]]))).encode()))
@quick
def test_damaged_files_are_read_or_refused(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "a.json").write_bytes(broken)
    read_or_refuse("labelme", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@given(changed(content(*EVERY_KIND, shape("c", "circle", [[1, 1], [2, 3]]), imageData=png([[1]]))))
@quick
def test_files_with_odd_values_are_read_or_refused(tmp_path: Path, odd: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(odd))
    read_or_refuse("labelme", tmp_path)

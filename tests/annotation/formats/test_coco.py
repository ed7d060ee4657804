import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools import mask as reference
from pycocotools.coco import COCO
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


def compressed(rows: list[list[int]]) -> dict[str, Any]:
    theirs = reference.encode(np.asfortranarray(np.array(rows, np.uint8)))
    return {"size": theirs["size"], "counts": theirs["counts"].decode()}


def annotation(number: int, category: int, segmentation: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": 7,
        "category_id": category,
        "segmentation": segmentation,
        "area": 3.0,
        "bbox": [0.0, 0.0, 2.0, 2.0],
        "iscrowd": 0,
        **more,
    }


CORNERS = [[0] * 8 for _ in range(6)]
CORNERS[0][7] = CORNERS[5][0] = 1

ANNOTATIONS = [
    annotation(1, 3, [[0.5, 0.5, 3.5, 0.5]]),
    annotation(2, 3, [[5.5, 0.5], [5.5, 2.5, 6.5, 2.5]]),
    annotation(3, 90, [[3.5, 3.5, 5.5, 3.5, 5.5, 5.5, 3.5, 5.5]]),
    annotation(4, 1, compressed(CORNERS), iscrowd=1),
    annotation(5, 3, {"size": [6, 8], "counts": [2, 2, 44]}, iscrowd=1),
]


def content(annotations: Any = ANNOTATIONS, **more: Any) -> dict[str, Any]:
    """As in ``instances_val2017.json``."""
    return {
        "info": {"description": "COCO 2017 Dataset", "version": "1.0", "year": 2017},
        "licenses": [{"url": "http://creativecommons.org/", "id": 1, "name": "CC"}],
        "images": [
            {
                "license": 1,
                "file_name": "a.png",
                "coco_url": "http://images.cocodataset.org/val2017/a.png",
                "height": 6,
                "width": 8,
                "date_captured": "2013-11-14 17:02:52",
                "id": 7,
            },
            {"file_name": "sub/b.png", "height": 6, "width": 8, "id": 9},
        ],
        "annotations": annotations,
        "categories": [
            {"supercategory": "animal", "id": 90, "name": "cat"},
            {"supercategory": "animal", "id": 3, "name": "dog", "color": [1, 2, 3]},
            {"supercategory": "", "id": 1, "name": "background"},
        ],
        **more,
    }


def write(folder: Path, value: Any) -> Path:
    save_picture(folder / "a.png", (6, 8))
    path = folder / "instances.json"
    path.write_text(json.dumps(value))
    return path


def test_every_kind_of_segmentation_is_painted_in_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, content())
    u = 255
    expected = [
        [1, 1, 1, 1, u, 1, u, 0],
        [u, u, u, u, u, u, u, u],
        [1, u, u, u, u, 1, 1, u],
        [1, u, u, 2, 2, u, u, u],
        [u, u, u, 2, 2, u, u, u],
        [0, u, u, u, u, u, u, u],
    ]
    labels = imported("coco", path, raster=THIN)
    assert labels["a"].tolist() == expected
    assert (labels["sub/b"] == 255).all()
    drawings, classes = read_all("coco", tmp_path)
    assert classes.names == ("background", "dog", "cat")
    assert classes.palette[1] == (1, 2, 3)
    assert drawings["a"].picture == tmp_path / "a.png"
    assert drawings["sub/b"].picture is None
    assert drawings["sub/b"].remarks == ("nothing is drawn",)


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # pycocotools 2.0.11
def test_a_polygon_is_what_coco_s_own_library_paints(tmp_path: Path) -> None:
    polygon = [5, 10, 21, 10, 21, 15, 5, 15]
    thin = [25.6, 2.2, 25.9, 2.2, 25.9, 13.8, 25.6, 13.8]
    images = [{"file_name": "a.png", "height": 20, "width": 30, "id": 7}]
    save_picture(tmp_path / "a.png", (20, 30))
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content([annotation(1, 3, [polygon])], images=images)))
    label = imported("coco", path)["a"]
    theirs = reference.decode(reference.frPyObjects([polygon], 20, 30))[..., 0]
    np.testing.assert_array_equal(label == 1, theirs == 1)
    assert (label[10:15, 5:21] == 1).all()
    assert (label == 1).sum() == 80
    # A stroke as a polygon that holds no centre is still there.
    path.write_text(json.dumps(content([annotation(1, 3, [thin])], images=images)))
    label = imported("coco", path)["a"]
    assert np.argwhere(label == 1).tolist() == [[row, 25] for row in range(2, 14)]


def test_the_picture_has_the_folder_and_the_suffix_that_are_stated(tmp_path: Path) -> None:
    path = write(tmp_path, content())
    save_picture(tmp_path / "a.jpg", (6, 8))
    save_picture(tmp_path / "other/b.png", (6, 8))
    drawings, _ = read_all("coco", path)
    assert drawings["a"].picture == tmp_path / "a.png"
    assert drawings["sub/b"].picture is None


def test_later_annotations_cover_earlier_ones(tmp_path: Path) -> None:
    boxes = [[[1, 1, 5, 1, 5, 5, 1, 5]], [[2, 2, 4, 2, 4, 4, 2, 4]]]
    for first, second in ((3, 90), (90, 3)):
        path = write(
            tmp_path, content([annotation(1, first, boxes[0]), annotation(2, second, boxes[1])])
        )
        label = imported("coco", path, raster=THIN)["a"]
        assert label[3, 3] == (2 if second == 90 else 1)
        assert label[1, 1] == (2 if first == 90 else 1)


def test_without_a_background_it_is_class_0_and_never_drawn(tmp_path: Path) -> None:
    categories = [{"id": 0, "name": "cell"}, {"id": "x", "name": "dust"}]
    path = write(tmp_path, content([annotation(1, 0, [[1, 1]])], categories=categories))
    drawings, classes = read_all("coco", path)
    assert classes.names == ("background", "cell", "dust")
    assert [mark.class_name for mark in drawings["a"].marks] == ["cell"]


def test_boxes_without_segmentation_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, content([annotation(1, 3, []), annotation(2, 3, None)]))
    assert read_all("coco", path)[0]["a"].remarks == (
        "left out: boxes without segmentation",
        "nothing is drawn",
    )


def test_unknown_classes_may_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, content())
    with pytest.raises(DataError, match=r"annotations\[2\]: class 'cat' is unknown"):
        read_all("coco", path, Options(classes_of("background", "dog")))
    options = Options(classes_of("background", "dog"), unknown="skip")
    assert len(read_all("coco", path, options)[0]["a"].marks) == 5


CATEGORY = {"id": 3, "name": "dog"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], r"instances\.json is \[\]; expected key: value pairs"),
        ({"images": []}, r"instances\.json: categories is None; expected a list"),
        (content({}), r"annotations is {}; expected a list"),
        (content([annotation(1, 4, [])]), r"annotations\[0\]: category_id 4 is the id of no cat"),
        (content([annotation(1, 3, [], image_id=8)]), r"\[0\]: image_id 8 is the id of no image"),
        (content([annotation(1, [3], [])]), r"category_id is \[3\]; expected a whole number or a"),
        (content(categories=[CATEGORY, CATEGORY]), r"\[1\]: a second category of id 3"),
        (content(categories=[CATEGORY, {"id": 4, "name": "dog"}]), r"two categories have one name"),
        (content(categories=[{"id": 1, "name": 3}]), r"categories\[0\]: class name 3 is not"),
        (content(images=[{"id": 7, "height": 6, "width": 8}]), r"file_name: picture name None"),
        (
            content(images=[{"id": 7, "height": 6, "width": 8, "file_name": "a.png"}] * 2),
            r"images\[1\]: a second image of id 7",
        ),
        (
            content([], images=[{"id": 7, "height": 7, "width": 8, "file_name": "a.png"}]),
            r"images\[0\]: drawn on 8x7 pixels, but .*a\.png has 8x6",
        ),
        (content([annotation(1, 3, "x")]), r"segmentation is 'x'; expected a list"),
        (content([annotation(1, 3, [1, 2])]), r"segmentation\[0\] is 1; expected a list"),
        (content([annotation(1, 3, [[1, 2, 3]])]), r"segmentation\[0\]: 3 numbers; expected pairs"),
        (content([annotation(1, 3, [["x", 2]])]), r"segmentation\[0\]: points are not pairs"),
        (content([annotation(1, 3, {"counts": "0"})]), r"segmentation: size is None; expected a l"),
        (
            content([annotation(1, 3, {"size": [8, 6], "counts": [48]})]),
            r"segmentation: size is \[8, 6\]; expected \[6, 8\] \(height, width\)",
        ),
        (
            content([annotation(1, 3, {"size": [6, 8], "counts": [1, 46]})]),
            r"segmentation: the runs are 47 pixels, the mask of 6x8 has 48",
        ),
        (
            content([annotation(1, 3, {"size": [6, 8], "counts": "~~"})]),
            r"segmentation: counts '~~' are not run lengths of COCO",
        ),
        (
            content([annotation(1, 3, {"size": [6, 8], "counts": {}})]),
            r"segmentation: counts is {}; expected a list",
        ),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path: Path, value: Any, message: str) -> None:
    write(tmp_path, value)
    with pytest.raises(DataError, match=message):
        read_all("coco", tmp_path)


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_labels_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    classes = classes_of("background", "zebra", "ant")
    rows = st.lists(st.sampled_from([0, 1, 2, 255]), min_size=9, max_size=9)
    label = np.array(data.draw(st.lists(rows, min_size=1, max_size=7)), np.uint8)
    folder = tmp_path_factory.mktemp("coco")
    target = exported("coco", {"a": label, "b/c": label.T}, classes, folder)
    drawings, found = read_all("coco", target, Options(images=folder / "images"))
    assert found == classes
    assert drawings["b/c"].picture == folder / "images/b/c.png"
    back = imported("coco", target)
    np.testing.assert_array_equal(back["a"], label)
    np.testing.assert_array_equal(back["b/c"], label.T)


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # pycocotools 2.0.11
def test_coco_s_own_library_reads_what_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    label = np.where(rng.random((20, 30)) < 0.1, rng.integers(0, 3, (20, 30)), 255).astype(np.uint8)
    classes = classes_of("background", "cell", "dust")
    target = exported("coco", {"a": label, "b": np.full((2, 2), 255, np.uint8)}, classes, tmp_path)
    theirs = COCO(str(target / "annotations.json"))
    assert [image["file_name"] for image in theirs.loadImgs([1, 2])] == ["a.png", "b.png"]
    assert theirs.getAnnIds(imgIds=[2]) == []
    for entry in theirs.loadAnns(theirs.getAnnIds(imgIds=[1])):
        painted = label == entry["category_id"] - 1
        np.testing.assert_array_equal(theirs.annToMask(entry), painted)
        assert entry["area"] == painted.sum()
        left, top, width, height = entry["bbox"]
        assert painted[top : top + height, left : left + width].sum() == painted.sum()
    assert capsys.readouterr().out


@given(damaged(json.dumps(content()).encode()))
@quick
def test_damaged_files_are_read_or_refused(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "a.json").write_bytes(broken)
    read_or_refuse("coco", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@given(changed(content()))
@quick
def test_files_with_odd_values_are_read_or_refused(tmp_path: Path, odd: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(odd))
    read_or_refuse("coco", tmp_path)

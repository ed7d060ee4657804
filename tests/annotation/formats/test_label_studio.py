import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
from scribbleseg.annotation.run_length import brush_bytes, mask_runs
from scribbleseg.errors import DataError

THIN = Raster("opencv", 1)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def brush(*pixels: tuple[int, int]) -> list[int]:
    mask = np.zeros((10, 20), bool)
    mask[tuple(np.array(pixels).T)] = True
    return list(brush_bytes(mask_runs(mask)))


def result(kind: str, label: str | None, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    """As Label Studio 1.x exports it."""
    labels = {} if label is None else {kind: [label]}
    return {
        "original_width": 20,
        "original_height": 10,
        "image_rotation": 0,
        "value": {**value, **labels},
        "id": "Dx_aB3ISEF",
        "from_name": "tag",
        "to_name": "image",
        "type": kind,
        "origin": "manual",
        **more,
    }


def task(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": 17,
        "annotations": [
            {
                "id": 5,
                "completed_by": 1,
                "result": list(results),
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": "2024-05-02T10:00:00.000000Z",
                "updated_at": "2024-05-02T10:00:00.000000Z",
                "draft_created_at": None,
                "lead_time": 7.7,
                "prediction": {},
                "result_count": len(results),
                "unique_id": "0b1f2c1e-0001",
                "task": 17,
                "project": 1,
            }
        ],
        "file_upload": "6e1f0a3c-a.png",
        "drafts": [],
        "predictions": [],
        "data": {"image": "/data/upload/1/6e1f0a3c-a.png"},
        "meta": {},
        "created_at": "2024-05-01T09:00:00.000000Z",
        "updated_at": "2024-05-02T10:00:00.000000Z",
        "inner_id": 1,
        "total_annotations": 1,
        **more,
    }


VERTICES = [
    {"id": "p1", "x": 2.5, "y": 95, "prevPointId": None, "isBezier": False},
    {"id": "p2", "x": 12.5, "y": 95, "prevPointId": "p1", "isBezier": False},
    {"id": "p3", "x": 12.5, "y": 85, "prevPointId": "p2", "isBezier": False},
    {"id": "p4", "x": 2.5, "y": 85, "prevPointId": "p1", "isBezier": False},
]
CORNER = [[62.5, 5], [72.5, 5], [72.5, 25]]
RESULTS = (
    result("brushlabels", "cell", {"format": "rle", "rle": brush((0, 0), (9, 19), (4, 4))}),
    result("keypointlabels", "dust", {"x": 52.5, "y": 5, "width": 0.4}),
    result("polygonlabels", "cell", {"points": [[32.5, 45], [42.5, 45], [42.5, 65], [32.5, 65]]}),
    result("polygonlabels", "dust", {"points": CORNER, "closed": False}),
    result("rectanglelabels", "bg", {"x": 50, "y": 40, "width": 10, "height": 20, "rotation": 0}),
    result("vectorlabels", "bg", {"vertices": VERTICES, "closed": False}),
    result("labels", "dust", {"format": "rle", "rle": brush((9, 10), (9, 11))}),
    {"value": {"choices": ["good"]}, "type": "choices", "from_name": "c", "to_name": "image"},
    {"from_id": "a", "to_id": "b", "type": "relation", "direction": "right"},
)


def write(folder: Path, *tasks: Any) -> Path:
    save_picture(folder / "a.png", (10, 20))
    path = folder / "project-1.json"
    path.write_text(json.dumps(list(tasks)))
    return path


def test_every_kind_of_region_is_painted_in_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, task(*RESULTS))
    label = imported("label_studio", path, raster=THIN)["a"]
    drawn = {
        value: sorted(zip(*(a.tolist() for a in np.nonzero(label == value)), strict=True))
        for value in (0, 1, 2)
    }
    assert drawn == {
        0: [(4, 10), (4, 11), (5, 10), (5, 11), (8, 0), (8, 2), (9, 0), (9, 1), (9, 2)],
        1: [(0, 0), (4, 4), *((row, column) for row in (4, 5) for column in (6, 7)), (9, 19)],
        2: [(0, 10), (0, 12), (0, 13), (0, 14), (1, 14), (2, 14), (9, 10), (9, 11)],
    }
    drawings, classes = read_all("label_studio", path)
    assert classes.names == ("bg", "cell", "dust")
    assert drawings["a"].picture == tmp_path / "a.png"
    assert drawings["a"].remarks == (
        "left out: choices, which is no stroke",
        "left out: relation, which is no stroke",
    )


def test_rectangles_and_ellipses_may_be_turned(tmp_path: Path) -> None:
    shapes = (
        result(
            "rectanglelabels",
            "cell",
            {"x": 50, "y": 10, "width": 30, "height": 20, "rotation": 90},
        ),
        result(
            "ellipselabels",
            "dust",
            {"x": 20, "y": 50, "radiusX": 5, "radiusY": 30, "rotation": 90},
        ),
    )
    label = imported("label_studio", write(tmp_path, task(*shapes)), raster=THIN)["a"]
    assert (label[1:7, 8:10] == 1).all()  # 6 x 2 pixels, turned about the upper left corner
    assert (label[1:7, 11:] == 255).all()
    assert (label[5, 2:6] == 2).all()
    assert (label[1:3, 4] == 255).all()


@pytest.mark.parametrize(
    "reference",
    [
        "/data/upload/1/6e1f0a3c-a.png",
        "/data/upload/a.png",
        "/data/local-files/?d=a.png",
        "https://host/ls/data/local-files/?d=a.png",
        "s3://bucket/folder/a.png",
        "https://host:8080/b/a.png?signature=x/y.jpg#z.png",
        "a.png",
    ],
)
def test_pictures_are_found_by_the_last_part_of_their_address(
    tmp_path: Path, reference: str
) -> None:
    drawing = read_all("label_studio", write(tmp_path, task(data={"n": 3, "img": reference})))[0]
    assert drawing["a"].picture == tmp_path / "a.png"


@pytest.mark.parametrize("path", ["day%201/a.png", "day 1\\a.png", "day 1/6e1f0a3c-a.png"])
def test_local_files_keep_their_folders(tmp_path: Path, path: str) -> None:
    export = write(tmp_path, task(*RESULTS, data={"img": f"/data/local-files/?d={path}"}))
    name = "day 1/6e1f0a3c-a" if "-" in path else "day 1/a"
    drawing = read_all("label_studio", export)[0][name]
    assert drawing.picture == (None if "-" in path else tmp_path / "a.png")
    own = save_picture(tmp_path / f"images/{name}.png", (10, 20))
    assert read_all("label_studio", export)[0][name].picture == own


def test_a_picture_of_another_folder_is_not_taken(tmp_path: Path) -> None:
    save_picture(tmp_path / "ward1/img.jpg", (10, 20))
    export = write(tmp_path, task(*RESULTS, data={"img": "/data/local-files/?d=ward2/img.jpg"}))
    assert read_all("label_studio", export)[0]["ward2/img"].picture is None


def test_the_suffix_that_is_stated_is_taken(tmp_path: Path) -> None:
    export = write(tmp_path, task())
    save_picture(tmp_path / "a.jpg", (10, 20))
    assert read_all("label_studio", export)[0]["a"].picture == tmp_path / "a.png"


def test_a_picture_that_really_has_eight_such_characters_keeps_them(tmp_path: Path) -> None:
    path = write(tmp_path, task())
    save_picture(tmp_path / "6e1f0a3c-a.png", (10, 20))
    assert list(read_all("label_studio", path)[0]) == ["6e1f0a3c-a"]
    (tmp_path / "6e1f0a3c-a.png").unlink()
    (tmp_path / "a.png").unlink()
    path.write_text(json.dumps([task(*RESULTS)]))
    drawings, _ = read_all("label_studio", path)
    assert (drawings["a"].size, drawings["a"].picture) == ((10, 20), None)


def test_the_newest_annotation_that_was_not_cancelled_is_used(tmp_path: Path) -> None:
    made = task(RESULTS[0], RESULTS[1])
    newest = {**made["annotations"][0], "updated_at": "2024-06-01", "result": [RESULTS[1]]}
    cancelled = {**made["annotations"][0], "updated_at": "2025-01-01", "was_cancelled": True}
    made["annotations"] += [newest, cancelled]
    drawing = read_all("label_studio", write(tmp_path, made))[0]["a"]
    assert [mark.class_name for mark in drawing.marks] == ["dust"]
    assert drawing.remarks == ("annotated more than once; the newest is used",)


def test_tasks_that_nobody_annotated_are_empty(tmp_path: Path) -> None:
    cancelled = task(*RESULTS)
    cancelled["annotations"][0]["was_cancelled"] = True
    for made, remark in (
        (task(annotations=[], predictions=[{"result": [RESULTS[0]]}]), "not annotated"),
        (cancelled, "skipped by the annotator"),
    ):
        drawing = read_all("label_studio", write(tmp_path, made))[0]["a"]
        assert drawing.marks == ()
        assert drawing.size == (10, 20)
        assert drawing.remarks == (remark, "nothing is drawn")


def test_a_task_of_its_own_file_and_completions_of_old_versions(tmp_path: Path) -> None:
    old = task()
    old["completions"] = [{"result": [RESULTS[0]], "created_at": 1_600_000_000}]
    del old["annotations"]
    path = write(tmp_path)
    path.write_text(json.dumps(old))
    assert len(read_all("label_studio", path)[0]["a"].marks) == 1


def test_the_configuration_gives_order_and_colours(tmp_path: Path) -> None:
    path = write(tmp_path, task(*RESULTS))
    (tmp_path / "label_config.xml").write_text(
        '<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">'
        '<Label value="dust" background="#0a0b0c"/><Label value=" cell " background="green"/>'
        '<Label value="bg" alias="b"/></BrushLabels></View>'
    )
    classes = read_all("label_studio", path)[1]
    assert classes.names == ("bg", "dust", "cell")
    assert classes.palette == ((0, 0, 0), (10, 11, 12), (0, 128, 0))


def test_regions_without_a_label_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, task(result("brush", None, {"format": "rle", "rle": brush((0, 0))})))
    assert read_all("label_studio", path)[0]["a"].remarks == (
        "left out: regions without a label",
        "nothing is drawn",
    )


BRUSH = {"format": "rle", "rle": brush((0, 0))}
POINT = {"x": 1, "y": 1, "width": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x", r"project-1\.json: task 1 is 'x'; expected key: value pairs"),
        ({"image": "a.png", "id": 1}, r"task 1: has no data; export it as JSON, not as JSON-MIN"),
        (task(data={"text": "hello"}, file_upload=None), r"task 1: data names no picture"),
        (task(data={"image": "http://[/a.png"}, file_upload=None), r"data names no picture"),
        (task(data={"image": "a\x00.png"}), r"task 1: picture name 'a\\x00.png' is not a relative"),
        (task(data={"i": "/data/local-files/?d=../a.png"}), r"name '../a.png' is not a relative"),
        (task(data={"i": "/data/local-files/?d=/x/a.png"}), r"name '/x/a.png' is not a relative"),
        (task(data={"i": "/data/local-files/?d=C:\\a.png"}), r"name 'C:.*a.png' is not a relative"),
        (task(annotations=None), r"task 1: annotations is None; expected a list"),
        (task(annotations=[3]), r"task 1: annotations\[0\] is 3; expected key"),
        (task(annotations=[{}]), r"task 1: result is None; expected a list"),
        (task(3), r"task 1, result 1 is 3; expected key"),
        (task({"value": {}}), r"task 1, result 1: type is None; expected a text"),
        (task(result("cubelabels", "c", {})), r"result 1: type is 'cubelabels'; known: brush, el"),
        (task(result("labels", "c", {})), r"result 1: type is 'labels'; known: brush, el"),
        (task(result("brushlabels", "c", BRUSH, image_rotation=90)), r"was turned by 90 degrees"),
        (task(result("brushlabels", "c", BRUSH, original_width=21)), r"drawn on 21x10 pixels, but"),
        (
            task(
                result("brushlabels", "c", BRUSH),
                result("brushlabels", "c", BRUSH, original_width=3),
            ),
            r"task 1: drawn on pictures of 3x10 and 20x10 pixels",
        ),
        (
            task(result("brushlabels", None, {"brushlabels": ["a", "b"]})),
            r"has the labels \['a', ",
        ),
        (task(result("brushlabels", None, {"brushlabels": [3]})), r"result 1: class name 3 is not"),
        (task(result("brushlabels", "c", {})), r"result 1: rle is None; expected a list"),
        (task(result("brushlabels", "c", {"rle": [1, 256]})), r"rle holds numbers that are no byt"),
        (
            task(result("brushlabels", "c", {"rle": [1, -1]})),
            r"rle holds numbers that are no byt",
        ),
        (task(result("brushlabels", "c", {"rle": ["1"]})), r"runs are \['1'\]; expected whole"),
        (
            task(result("brushlabels", "c", {"rle": [0, 0, 3, 32]})),
            r"rle holds 800 values of 1",
        ),
        (task(result("keypointlabels", "c", {"x": 1})), r"result 1: y is None; expected a number"),
        (task(result("polygonlabels", "c", {"points": [[1]]})), r"result 1: points are not pairs"),
        (
            task(result("vectorlabels", "c", {"vertices": [{}]})),
            r"result 1: points are not pairs|no",
        ),
        (
            task(result("vectorlabels", "c", {"vertices": [{"prevPointId": "q"}]})),
            r"vertices\[0\]: prevPointId 'q' is no point before it",
        ),
        (
            task(result("vectorlabels", "c", {"vertices": [{"isBezier": True}]})),
            r"vertices\[0\]: curves are not read",
        ),
    ],
)
def test_exports_that_make_no_sense_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=message):
        read_all("label_studio", path)


def test_two_tasks_of_one_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"two pictures would have one id: 'a'; rename one"):
        read_all("label_studio", write(tmp_path, task(), task()))


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_labels_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    classes = classes_of("background", 'the "zebra" & co', "ant")
    rows = st.lists(st.sampled_from([0, 1, 2, 255]), min_size=9, max_size=9)
    label = np.array(data.draw(st.lists(rows, min_size=1, max_size=7)), np.uint8)
    folder = tmp_path_factory.mktemp("label_studio")
    labels = {"a": label, "b/ö 1": label.T, "c/ö 1": label[::-1]}
    target = exported("label_studio", labels, classes, folder)
    drawings, found = read_all("label_studio", target, Options(images=folder / "images"))
    assert found == classes
    assert {name: drawing.picture for name, drawing in drawings.items()} == {
        name: folder / f"images/{name}.png" for name in labels
    }
    back = imported("label_studio", target, Options(images=folder / "images"))
    for name, drawn in labels.items():
        np.testing.assert_array_equal(back[name], drawn)


def test_tasks_are_written_as_label_studio_imports_them(tmp_path: Path) -> None:
    label = np.full((6, 8), 255, np.uint8)
    label[1, 2:5] = 1
    target = exported("label_studio", {"a": label}, classes_of("background", "cell"), tmp_path)
    (written,) = json.loads((target / "tasks.json").read_text())
    assert written["data"] == {"image": "/data/local-files/?d=a.png"}
    (region,) = written["annotations"][0]["result"]
    assert set(region) == set(result("brushlabels", "cell", {}))
    assert (region["original_width"], region["original_height"]) == (8, 6)
    config = ElementTree.parse(target / "label_config.xml").getroot()
    assert config.find("Image").get("name") == region["to_name"]
    assert config.find("BrushLabels").get("name") == region["from_name"]
    assert [label.get("value") for label in config.iter("Label")] == ["background", "cell"]


def test_no_task_is_an_empty_list(tmp_path: Path) -> None:
    target = exported("label_studio", {}, classes_of("background", "cell"), tmp_path)
    assert json.loads((target / "tasks.json").read_text()) == []


@given(damaged(json.dumps([task(*RESULTS)]).encode()))
@quick
def test_damaged_files_are_read_or_refused(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "a.json").write_bytes(broken)
    read_or_refuse("label_studio", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@given(changed([task(*RESULTS)]))
@quick
def test_files_with_odd_values_are_read_or_refused(tmp_path: Path, odd: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(odd))
    read_or_refuse("label_studio", tmp_path)

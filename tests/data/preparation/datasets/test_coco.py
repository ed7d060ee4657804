import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_masks
from tests import published_datasets as published

from scribbleseg.annotation import read_label
from scribbleseg.data.layouts import coco as layout
from scribbleseg.data.layouts import scribble_coco
from scribbleseg.data.preparation import Options, load_preparation, prepare
from scribbleseg.data.preparation.datasets.coco import PREPARATION, read_annotations
from scribbleseg.errors import DataError, ScribblesegError

FIRST = "COCO_train2014_000000000009"
ZEBRA, TOOTHBRUSH = layout.LAYOUT.class_names.index("zebra"), 80


def edited(source: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = source / "annotations/instances_train2014.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_class_k_is_the_kth_category_and_small_things_are_in_front(tmp_path: Path) -> None:
    source, target = published.coco(tmp_path / "source"), tmp_path / "target"
    prepared = prepare(PREPARATION, source, target)
    assert prepared.layout == layout.LAYOUT
    mask = read_label(target / f"SegmentationClassAug/{FIRST}.png")
    expected = np.zeros(published.SIZE, np.uint8)
    expected[2:15, 2:20] = expected[2:8, 25:29] = TOOTHBRUSH
    expected[6:11, 6:12] = 1
    expected[20:23, 2:9] = ZEBRA
    assert np.array_equal(mask, expected)
    lists = target / "ImageSets/SegmentationAug"
    # The picture without annotations is not in ToCo's list.
    assert (lists / "train.txt").read_text().split() == [FIRST, "COCO_train2014_000000000025"]
    assert (lists / "val.txt").read_text() == "COCO_val2014_000000000042\n"
    assert "train: 2 images, published are 82081" in prepared.remarks
    tags = (target / "tags.txt").read_text().splitlines()[0]
    assert tags == f"{FIRST}\tbackground,person,zebra,toothbrush"


def test_masks_are_those_of_pycocotools(tmp_path: Path) -> None:
    source = published.coco(tmp_path / "source")
    outline = [3.3, 2.1, 30.9, 5.5, 22.2, 21.7, 9.1, 17.4, 15.5, 10.2]
    edited(source, lambda content: content["annotations"][1].update(segmentation=[outline]))
    prepare(PREPARATION, source, tmp_path / "target")
    mask = read_label(tmp_path / f"target/SegmentationClassAug/{FIRST}.png")
    drawn = coco_masks.merge(coco_masks.frPyObjects([outline], *published.SIZE))
    columns = np.zeros(published.SIZE[0] * published.SIZE[1], bool)
    at, painted = 0, False
    for run in published.coco_runs(drawn["counts"]):
        columns[at : at + run] = painted
        at, painted = at + run, not painted
    expected = columns.reshape(published.SIZE[::-1]).T
    free = ~np.isin(mask, (1, ZEBRA))
    assert np.array_equal(mask[free] == TOOTHBRUSH, expected[free])
    assert expected.sum() > 100


def test_crowds_can_be_ignored(tmp_path: Path) -> None:
    source = published.coco(tmp_path / "source")
    prepare(PREPARATION, source, tmp_path / "target", options=Options(crowd="ignore"))
    mask = read_label(tmp_path / f"target/SegmentationClassAug/{FIRST}.png")
    assert (mask[20:23, 2:9] == 255).all()
    assert (mask == 255).sum() == 21
    assert not (mask == ZEBRA).any()


def test_the_scribbles_of_cspnet_come_in_three_variants(tmp_path: Path) -> None:
    source = published.coco(tmp_path / "source")
    for variant, inner in (("r1", ""), ("r2", "scribble_gt/"), ("r3", "")):
        for seed, number in enumerate((9, 25)):
            scribble = published.strokes_of(published.mask_of(seed + 10 * int(variant[1]), 81))
            path = tmp_path / f"drawn/coco2014_train_scribble_{variant}/{inner}"
            path.mkdir(parents=True, exist_ok=True)
            three = np.repeat(scribble[..., None], 3, axis=-1)
            Image.fromarray(three).save(path / f"COCO_train2014_{number:012d}.png")
    drawn = tmp_path / "drawn"
    prepared = prepare(PREPARATION, source, tmp_path / "three", options=Options(scribbles=drawn))
    assert prepared.layout == scribble_coco.LAYOUT
    for variant in "123":
        label = read_label(tmp_path / f"three/coco2014_train_scribble_r{variant}/{FIRST}.png")
        expected = published.strokes_of(published.mask_of(10 * int(variant), 81))
        assert np.array_equal(label, expected)
    one = Options(scribbles=drawn, variant="r2")
    prepared = prepare(PREPARATION, source, tmp_path / "one", options=one)
    assert prepared.layout.scribbles == "coco2014_train_scribble_r2"
    assert not (tmp_path / "one/coco2014_train_scribble_r1").exists()
    alone = Options(scribbles=drawn / "coco2014_train_scribble_r3", variant="r3")
    prepare(PREPARATION, source, tmp_path / "alone", options=alone)
    assert (tmp_path / f"alone/coco2014_train_scribble_r3/{FIRST}.png").is_file()
    with pytest.raises(DataError, match=r"no scribbles <id>\.png; looked for coco2014_train_scri"):
        prepare(PREPARATION, source, tmp_path / "none", options=Options(variant="r1"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["images"][0].update(file_name="../x.jpg"), r"'\.\./x\.jpg' is no file name"),
        (lambda c: c["images"][0].update(file_name="a/x.jpg"), r"'a/x\.jpg' is no file name"),
        (lambda c: c["images"][1].update(c["images"][0]), "is listed twice"),
        (lambda c: c["images"][0].update(height=-1), "of 32x-1 pixels"),
        (lambda c: c["images"][0].update(height="24"), "of 32x'24' pixels"),
        (lambda c: c["categories"].pop(), "79 categories that are not the 80 of COCO"),
        (lambda c: c["categories"][0].update(name="dog"), "categories that are not the 80 of COCO"),
        (lambda c: c.update(categories={"a": 1}), "0 categories that are not the 80"),
        (lambda c: c["annotations"][0].update(image_id=7), "of image 7 and category 1"),
        (lambda c: c["annotations"][0].update(image_id=[9]), r"of image \[9\] and category 1"),
        (lambda c: c["annotations"][0].update(category_id=12), "category 12, which"),
        (lambda c: c["annotations"][0].pop("image_id"), r"not as COCO writes it \(KeyError"),
        (lambda c: c["annotations"].insert(0, "x"), r"not as COCO writes it \(TypeError"),
        (lambda c: c["annotations"][0].update(area=None), "area is None; expected a number"),
        (lambda c: c["annotations"][0].update(area=float("nan")), "area is nan"),
        (lambda c: c["annotations"][0].update(segmentation="x"), "'segmentation' is 'x'"),
        (lambda c: c["annotations"][0].update(segmentation=[[1] * 7]), "polygon of 7 numbers"),
        (
            lambda c: c["annotations"][0].update(segmentation=[[1e9] * 6]),
            "is no place in a picture",
        ),
        (lambda c: c["annotations"][0].update(segmentation=[[900] * 6]), "far outside"),
        (
            lambda c: c["annotations"][0].update(segmentation=[["x"] * 6]),
            "are not pairs of numbers",
        ),
        (lambda c: c["annotations"][2]["segmentation"].update(size=[4, 4]), "runs of size"),
        (lambda c: c["annotations"][2]["segmentation"].update(counts=[5]), "the runs are 5 pixels"),
        (lambda c: c["annotations"][2]["segmentation"].update(counts={}), "expected whole numbers"),
        (lambda c: c["annotations"][2]["segmentation"].update(counts="~~"), "not run lengths"),
    ],
)
def test_what_is_not_coco_is_refused(
    change: Callable[[dict[str, Any]], Any], message: str, tmp_path: Path
) -> None:
    source = published.coco(tmp_path / "source")
    edited(source, change)
    with pytest.raises(DataError, match=message) as error:
        prepare(PREPARATION, source, tmp_path / "target")
    assert "instances_train2014.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_polygons_without_an_area_are_left_out_with_a_remark(tmp_path: Path) -> None:
    source = published.coco(tmp_path / "source")
    edited(source, lambda c: c["annotations"][0].update(segmentation=[[1.0, 2.0, 3.0, 4.0]]))
    prepared = prepare(PREPARATION, source, tmp_path / "target")
    assert any(f"annotation 90 of {FIRST}: no polygon of three" in r for r in prepared.remarks)


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    source = published.coco(tmp_path / "source")
    published.picture(source / f"train2014/{FIRST}.jpg", 0, size=(32, 24))
    with pytest.raises(DataError, match=r"label is 32x24 but .* is 24x32 pixels"):
        prepare(PREPARATION, source, tmp_path / "target")
    (source / f"train2014/{FIRST}.jpg").unlink()
    with pytest.raises(DataError, match=rf"no pictures .*{FIRST}\.jpg \(1 of 2\); get train2014"):
        prepare(PREPARATION, source, tmp_path / "target")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_changed_bytes_cause_nothing_but_an_error(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "annotations/instances_train2014.json"
    if not path.is_file():
        published.coco(tmp_path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, 900))
        content[place] = data.draw(st.sampled_from(b'{}[]",:0-e1 n\xff'))
    crafted = tmp_path / "crafted.json"
    crafted.write_bytes(bytes(content))
    try:
        images, classes = read_annotations(crafted)
    except ScribblesegError:
        return
    assert set(classes.values()) == {*range(1, 81)}
    assert all(image.name for image in images)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"annotations": [' + "[" * 100_000)
    with pytest.raises(DataError, match=r"a\.json: not valid JSON"):
        read_annotations(path)


def test_the_preparation_is_found_by_its_name() -> None:
    assert load_preparation("coco") is PREPARATION

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests import published_datasets as published

from scribbleseg.annotation import read_label
from scribbleseg.data.layouts import cityscapes as layout
from scribbleseg.data.preparation import prepare
from scribbleseg.data.preparation.cityscapes_files import IDS
from scribbleseg.data.preparation.datasets.cityscapes import PREPARATION
from scribbleseg.errors import DataError

NAME = "aachen_000000_000019"
ROAD, POLE, SKY, RIDER, CAR = (
    layout.LAYOUT.class_names.index(name) for name in ("road", "pole", "sky", "rider", "car")
)


def expected_mask() -> np.ndarray:
    mask = np.full(published.SIZE, 255, np.uint8)
    mask[12:24], mask[0:5], mask[10:17, 4:13] = ROAD, SKY, CAR
    mask[2:21, 20:23] = 255  # a group of poles is not scored
    mask[8:15, 26:30] = RIDER
    return mask


@pytest.mark.parametrize("form", ["labelIds", "polygons", "color"])
def test_every_form_of_masks_gives_the_train_ids(form: str, tmp_path: Path) -> None:
    source, target = published.cityscapes(tmp_path / "source", form), tmp_path / "target"
    prepared = prepare(PREPARATION, source, target)
    expected = expected_mask()
    if form == "color":
        expected[2:21, 20:23] = POLE  # it has the same colour
        assert any("groups of poles become poles" in remark for remark in prepared.remarks)
    assert np.array_equal(read_label(target / f"SegmentationClass/{NAME}.png"), expected)
    lists = {path.stem: path.read_text().split() for path in target.glob("ImageSets/*.txt")}
    assert lists == {
        split: [f"{city}_000000_000019" for city in cities]
        for split, cities in published.CITIES.items()
    }
    # The masks of test are kept back: what gtFine holds there is empty.
    assert not (target / "SegmentationClass/berlin_000000_000019.png").exists()
    assert "berlin" not in (target / "tags.txt").read_text()


def test_scored_classes_have_the_colors_of_their_ids() -> None:
    for name, color in zip(layout.LAYOUT.class_names, layout.LAYOUT.palette, strict=True):
        assert IDS[name][1] == color
    assert [number for number, _ in IDS.values()] == [*range(34)]


def test_missing_masks_and_splits_are_named(tmp_path: Path) -> None:
    source = published.cityscapes(tmp_path / "source")
    (source / f"gtFine/train/aachen/{NAME}_gtFine_labelIds.png").unlink()
    with pytest.raises(DataError, match=rf"no {NAME}_gtFine_labelIds\.png .*; get leftImg8bit"):
        prepare(PREPARATION, source, tmp_path / "target")
    published.cityscapes(tmp_path / "other")
    for path in (tmp_path / "other/leftImg8bit/val/munster").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"leftImg8bit/val: no pictures \*_leftImg8bit\.png"):
        prepare(PREPARATION, tmp_path / "other", tmp_path / "target")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"imgWidth": 32, "imgHeight": 24}, r"KeyError: 'objects'"),
        ({"imgWidth": 10**6, "imgHeight": 10**6, "objects": []}, "picture of 1000000x1000000"),
        ([], "not as Cityscapes writes it"),
        ([{"label": "cat", "polygon": [[0, 0], [1, 1]]}], "label 'cat' is none of Cityscapes"),
        ([{"label": "car", "polygon": [[0, 0]]}], "polygon of 1 points"),
        ([{"label": "car", "polygon": [[0, float("inf")], [1, 1]]}], r"Infinity is not a number"),
        ([{"label": "car", "polygon": [[0, 1e9], [1, 1]]}], "is no place in a picture"),
        ([{"label": "car", "polygon": 3}], "not as Cityscapes writes it"),
        ([{"label": 3, "polygon": [[0, 0], [1, 1]]}], "not as Cityscapes writes it"),
        (["x"], "not as Cityscapes writes it"),
    ],
)
def test_wrong_polygons_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    source = published.cityscapes(tmp_path / "source", "polygons")
    path = source / f"gtFine/train/aachen/{NAME}_gtFine_polygons.json"
    if isinstance(content, list) and content:
        content = {"imgWidth": 32, "imgHeight": 24, "objects": content}
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        prepare(PREPARATION, source, tmp_path / "target")


def test_deleted_objects_are_not_drawn(tmp_path: Path) -> None:
    source = published.cityscapes(tmp_path / "source", "polygons")
    path = source / f"gtFine/train/aachen/{NAME}_gtFine_polygons.json"
    content = json.loads(path.read_text())
    content["objects"][2]["deleted"] = 1
    path.write_text(json.dumps(content))
    prepare(PREPARATION, source, tmp_path / "target")
    assert not (read_label(tmp_path / f"target/SegmentationClass/{NAME}.png") == CAR).any()


def test_unknown_ids_are_refused(tmp_path: Path) -> None:
    source = published.cityscapes(tmp_path / "source")
    path = source / f"gtFine/train/aachen/{NAME}_gtFine_labelIds.png"
    for wrong in (np.uint8(34), np.uint16(256)):
        Image.fromarray(np.full(published.SIZE, wrong)).save(path)
        with pytest.raises(DataError, match=rf"id {wrong}; expected the ids of Citys"):
            prepare(PREPARATION, source, tmp_path / "target")

from pathlib import Path

import pytest

from scribbleseg.data import Layout, load_layout, read_tags
from scribbleseg.data.preparation.dataset_files import describe, tags_of_images

LAYOUT = Layout(
    "cells",
    ("background", "cell wall", "yes"),
    ((0, 0, 0), (1, 2, 3), (255, 0, 9)),
    images="pictures",
    scribbles=None,
    masks="masks",
    image_mode="L",
    background_drawn=True,
    tags="tags.txt",
    volumes="volumes.csv",
)
FACTS = {
    "a": {"images": [{"name": "a", "scribble": {"0": 3}, "mask": {"0": 9, "2": 4}}]},
    "v": {
        "images": [
            {"name": "v/1", "scribble": {}, "mask": {"1": 4}},
            {"name": "v/2"},
            {"name": "v/3", "mask": {"10": 1, "2": 1}},
        ]
    },
}


def test_tags_are_those_of_the_scribble_where_there_is_one() -> None:
    tags = {"a": (0,), "v/1": (1,), "v/3": (2, 10)}
    assert tags_of_images(FACTS, {}) == tags
    assert tags_of_images(FACTS, {"a": (0, 2), "v/2": (1,)}) == tags | {"a": (0, 2), "v/2": (1,)}


@pytest.mark.parametrize("raster", ["as published", {"rule": "line-3px", "width": 3}])
def test_the_description_is_read_as_the_layout(raster: object, tmp_path: Path) -> None:
    lists = {"ImageSets/Segmentation/train.txt": ["a"], "ImageSets/SegmentationAug/train.txt": []}
    facts = {"a": FACTS["a"]}
    for file, text in describe("cells", LAYOUT, lists, facts, {}, raster).items():  # type: ignore[arg-type]
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    layout, root = load_layout("folder", str(tmp_path))
    for field in ("class_names", "palette", "images", "masks", "image_mode", "tags", "volumes"):
        assert getattr(layout, field) == getattr(LAYOUT, field)
    assert layout.background_drawn
    assert layout.names(root, "train") == ["a"]
    assert layout.raster == str(raster)
    assert read_tags(root / "tags.txt", layout.class_names)["a"].tolist() == [1, 0, 0]

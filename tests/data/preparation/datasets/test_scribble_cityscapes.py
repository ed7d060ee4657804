from pathlib import Path

import numpy as np
from PIL import Image
from tests import published_datasets as published

from scribbleseg.annotation import read_label
from scribbleseg.data.layouts import scribble_cityscapes as layout
from scribbleseg.data.preparation import Options, prepare
from scribbleseg.data.preparation.datasets.scribble_cityscapes import PREPARATION

NAME = "aachen_000000_000019"


def test_instances_are_classes_and_all_else_is_background(tmp_path: Path) -> None:
    source, target = published.cityscapes(tmp_path / "source"), tmp_path / "target"
    prepare(PREPARATION, source, target)
    mask = read_label(target / f"SegmentationClassAug/{NAME}.png")
    expected = np.zeros(published.SIZE, np.uint8)
    expected[10:17, 4:13], expected[8:15, 26:30] = 3, 2  # car, rider
    assert np.array_equal(mask, expected)
    assert layout.LAYOUT.class_names[2:4] == ("rider", "car")
    lists = sorted(path.stem for path in (target / "ImageSets/SegmentationAug").iterdir())
    assert lists == ["train", "val"]
    assert not (target / "JPEGImages/berlin_000000_000019.png").exists()


def test_both_spellings_and_names_of_the_scribbles_are_found(tmp_path: Path) -> None:
    source = published.cityscapes(tmp_path / "source")
    scribble = np.full(published.SIZE, 255, np.uint8)
    for variant, (folder, tail) in enumerate(
        (
            ("cityscapes_scribble_r1", "_leftImg8bit"),
            ("cityscape_scribble_r2/scribble_gt", ""),
            ("cityscapes_scribble_r3", ""),
        ),
        start=1,
    ):
        for city in ("aachen", "zurich"):
            drawn = scribble.copy()
            drawn[variant] = 3
            (source / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(drawn).save(source / folder / f"{city}_000000_000019{tail}.png")
    prepared = prepare(PREPARATION, source, tmp_path / "target")
    assert prepared.layout == layout.LAYOUT
    for variant in (1, 2, 3):
        path = tmp_path / f"target/cityscapes_scribble_r{variant}/{NAME}.png"
        assert np.flatnonzero((read_label(path) == 3).any(axis=1)).tolist() == [variant]
    assert f"{NAME}\tcar\n" in (tmp_path / "target/tags.txt").read_text()
    prepared = prepare(PREPARATION, source, tmp_path / "r3", options=Options(variant="r3"))
    assert prepared.layout.scribbles == "cityscapes_scribble_r3"
    assert not (tmp_path / "r3/cityscapes_scribble_r1").exists()

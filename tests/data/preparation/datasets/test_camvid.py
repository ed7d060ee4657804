from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests import published_datasets as published

from scribbleseg.annotation import read_label
from scribbleseg.data.layouts.camvid import LAYOUT
from scribbleseg.data.preparation import prepare
from scribbleseg.data.preparation.datasets.camvid import GROUPS, PREPARATION
from scribbleseg.errors import DataError

FRAME = "0016E5_07920"


def lists_of(target: Path) -> dict[str, tuple[str, ...]]:
    return {path.stem: tuple(path.read_text().split()) for path in target.glob("ImageSets/*.txt")}


def test_the_form_of_the_tutorial(tmp_path: Path) -> None:
    source, target = published.camvid_tutorial(tmp_path / "source"), tmp_path / "target"
    prepared = prepare(PREPARATION, source, target)
    assert lists_of(target) == published.CAMVID
    assert "test: 1 images, published are 233" in prepared.remarks
    raw = read_label(source / f"trainannot/{FRAME}.png")
    mask = read_label(target / f"SegmentationClass/{FRAME}.png")
    assert np.array_equal(mask, np.where(raw == 11, 255, raw))
    assert (target / f"images/{FRAME}.png").samefile(source / f"train/{FRAME}.png")


def test_without_its_lists_every_frame_of_a_folder_counts(tmp_path: Path) -> None:
    source = published.camvid_tutorial(tmp_path / "source")
    for split in published.CAMVID:
        (source / f"{split}.txt").unlink()
    prepare(PREPARATION, source, tmp_path / "target")
    assert {k: {*v} for k, v in lists_of(tmp_path / "target").items()} == {
        split: {*names} for split, names in published.CAMVID.items()
    }


def test_the_form_of_the_authors(tmp_path: Path) -> None:
    source, target = published.camvid_authors(tmp_path / "source"), tmp_path / "target"
    prepared = prepare(PREPARATION, source, target)
    classes = [LAYOUT.class_names.index(n) for n in ("Sky", "Building", "Road", "Pedestrian")]
    mask = read_label(target / f"SegmentationClass/{FRAME}.png")
    assert mask.ravel()[:5].tolist() == [*classes, 255]
    assert set(lists_of(target)) == {"all"}
    assert any("come without lists" in remark for remark in prepared.remarks)
    # With the tutorial's lists beside them.
    published.camvid_tutorial(tmp_path / "tutorial")
    for split in published.CAMVID:
        (source / f"{split}.txt").write_text((tmp_path / f"tutorial/{split}.txt").read_text())
    prepare(PREPARATION, source, tmp_path / "split")
    assert lists_of(tmp_path / "split") == published.CAMVID


def test_every_class_of_the_authors_has_one_color_and_one_group() -> None:
    members = [member for group in GROUPS.values() for member in group]
    assert len(members) == len({name for name, _ in members}) == len({c for _, c in members}) == 31
    assert tuple(GROUPS) == LAYOUT.class_names


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    source = published.camvid_tutorial(tmp_path / "source")
    Image.fromarray(np.full(published.SIZE, 12, np.uint8)).save(source / f"trainannot/{FRAME}.png")
    with pytest.raises(DataError, match=r"label 12; expected 0\.\.10 or 11 \(void\)"):
        prepare(PREPARATION, source, tmp_path / "target")
    (source / f"trainannot/{FRAME}.png").unlink()
    with pytest.raises(DataError, match=rf"no masks .*trainannot/{FRAME}\.png \(1 of 4\)"):
        prepare(PREPARATION, source, tmp_path / "target")
    (source / "val.txt").write_text((source / "train.txt").read_text())
    with pytest.raises(DataError, match=rf"train\.txt and .*val\.txt share .*{FRAME}"):
        prepare(PREPARATION, source, tmp_path / "target")
    (source / "train.txt").write_text("/SegNet/train/../.. b\n")
    with pytest.raises(DataError, match="names no frame"):
        prepare(PREPARATION, source, tmp_path / "target")

    source = published.camvid_authors(tmp_path / "authors")
    colors = source / "label_colors.txt"
    good = colors.read_text()
    colors.write_text("1 2 3 Sky\n")
    with pytest.raises(DataError, match="'1 2 3 Sky' is not one of CamVid's 32 classes"):
        prepare(PREPARATION, source, tmp_path / "target")
    colors.write_text(good)
    (source / f"LabeledApproved_full/{FRAME}_L.png").unlink()
    with pytest.raises(DataError, match=f"{FRAME} without picture or without mask"):
        prepare(PREPARATION, source, tmp_path / "target")

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from tests import published_datasets as published

from scribbleseg.annotation import read_label
from scribbleseg.data.preparation import load_preparation, prepare
from scribbleseg.errors import DataError


@pytest.mark.parametrize("above", [".", "..", "../.."])
def test_matlab_masks_become_label_images(above: str, tmp_path: Path) -> None:
    source = published.sbd(tmp_path)
    prepare(load_preparation("sbd"), (source / above).resolve(), tmp_path / "target")
    for seed, name in enumerate((tmp_path / "target/tags.txt").read_text().splitlines(), start=100):
        mask = published.mask_of(seed)
        mask[mask == 255] = 0
        path = tmp_path / f"target/SegmentationClass/{name.split()[0]}.png"
        assert np.array_equal(read_label(path), mask)
    lists = tmp_path / "target/ImageSets/Segmentation"
    for name in ("train", "val"):
        assert (lists / f"{name}.txt").read_text() == (source / f"{name}.txt").read_text()


def test_wrong_masks_and_lists_are_refused(tmp_path: Path) -> None:
    source = published.sbd(tmp_path)
    path = next((source / "cls").iterdir())
    good = path.read_bytes()
    for mask, message in (
        (np.full(published.SIZE, 21, np.uint8), r"values from 21 to 21; expected classes 0\.\.20"),
        (np.full(published.SIZE, 0.5), r"values from 0\.5 to 0\.5"),
        (np.zeros((3, 4), np.uint8), "label is 4x3 but"),
    ):
        savemat(path, {"GTcls": {"Segmentation": mask}})
        with pytest.raises(DataError, match=message):
            prepare(load_preparation("sbd"), source, tmp_path / "target")
    path.unlink()
    with pytest.raises(
        DataError, match=rf"no masks .*{path.name} \(1 of 5\); unpack benchmark\.tgz"
    ):
        prepare(load_preparation("sbd"), source, tmp_path / "other")
    path.write_bytes(good)
    published.write_ids(source / "val.txt", ["2008_000003"])
    with pytest.raises(DataError, match=r"train\.txt and .*val\.txt share 2008_000003"):
        prepare(load_preparation("sbd"), source, tmp_path / "other")

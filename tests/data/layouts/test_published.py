"""The layouts of published datasets, on the real files."""

from pathlib import Path

import numpy as np
import pytest

from scribbleseg.data import ScribbleDataModule, load_layout
from scribbleseg.data.layouts import acdc, camvid, voc
from scribbleseg.evaluation import read_volumes

pytestmark = pytest.mark.data


def test_acdc(data_root: Path) -> None:
    data = ScribbleDataModule(
        str(data_root / "acdc"), "acdc", train="fold1_train", val="fold1_val", test="fold1_val"
    )
    data.setup("fit")
    assert data.audit is not None
    assert data.audit.images == 1064
    assert data.audit.empty == ()
    assert (data.in_channels, data.class_names) == (1, ["background", "RV", "MYO", "LV"])
    foreground = data.audit.pixels[1:].sum() / data.audit.pixels.sum()
    assert 0.35 < foreground < 0.42
    assert len(data.evaluation_dataset("val")) == 390
    volumes = read_volumes(data_root / "acdc" / str(acdc.LAYOUT.volumes))
    assert len(volumes) == 160
    val = set(data.names("val"))
    assert sum(val.issuperset(volume.slices) for volume in volumes) == 40
    assert {name for volume in volumes for name in volume.slices} == set(
        ScribbleDataModule(str(data_root / "acdc"), "acdc", train="all").names("train")
    )


def test_far_field_of_acdc_holds_hardly_any_heart(data_root: Path) -> None:
    """The prior is only as good as the annotators' loops around the heart."""
    from scribbleseg.annotation import far_background, read_label

    wrong = far = 0
    names = (data_root / "acdc/ImageSets/fold1_train.txt").read_text().split()[::10]
    for name in names:
        region = far_background(read_label(data_root / f"acdc/scribbles/{name}.png"))
        mask = read_label(data_root / f"acdc/SegmentationClass/{name}.png")
        wrong += int((mask[region] > 0).sum())
        far += int(region.sum())
    assert len(names) == 107
    assert far > 4e6
    assert wrong == 0


def test_camvid(data_root: Path) -> None:
    root = data_root / "camvid"
    listed = [line.split() for line in (root / "classes.txt").read_text().splitlines()]
    assert camvid.LAYOUT.class_names == tuple(fields[1] for fields in listed[:11])
    assert camvid.LAYOUT.palette == tuple(tuple(map(int, fields[2:5])) for fields in listed[:11])
    data = ScribbleDataModule(str(root), "camvid")
    data.setup("fit")
    assert data.audit is not None
    assert data.audit.images == 367
    assert data.audit.labelled_fraction == pytest.approx(0.0524, abs=0.002)
    assert [len(data.names(split)) for split in ("val", "test")] == [101, 173]


def test_voc(data_root: Path) -> None:
    root = data_root / "voc_sample" / "VOC2012"
    layout, _ = load_layout("voc", str(root))
    assert layout is voc.LAYOUT
    assert len(layout.class_names) == len(layout.palette) == 21
    data = ScribbleDataModule(str(root), "voc", test="val", batch_size=1)
    data.setup("fit")
    sample = data.train_dataset()[0]
    assert sample["name"] == "2007_000032"
    assert int((sample["scribble"] != 255).sum()) == 4812
    named = [name for name, tag in zip(layout.class_names, sample["tags"], strict=True) if tag]
    assert named == ["background", "aeroplane", "person"]
    evaluation = data.evaluation_dataset("val")[0]
    assert evaluation["mask"].shape == (366, 500)
    assert set(np.unique(evaluation["mask"])) == {0, 1, 255}

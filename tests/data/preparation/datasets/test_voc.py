import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests import published_datasets as published
from tests.published_datasets import VOC_EXTRA, VOC_TRAIN, VOC_VAL

from scribbleseg.annotation import read_label, write_label
from scribbleseg.annotation.raster import Raster
from scribbleseg.data import load_layout, read_tags
from scribbleseg.data.preparation import Options, load_preparation, prepare
from scribbleseg.data.preparation.cls_labels import cls_labels_file
from scribbleseg.data.preparation.preparation import Prepared
from scribbleseg.errors import ConfigError, DataError

AUG = sorted((*VOC_TRAIN, *VOC_EXTRA))


def prepare_voc(source: Path, target: Path, **options: Any) -> Prepared:
    return prepare(load_preparation("voc"), source, target, options=Options(**options))


def ids(target: Path, name: str) -> list[str]:
    return (target / f"ImageSets/{name}.txt").read_text().split()


@pytest.mark.parametrize("above", [".", "..", "../.."])
def test_lists_masks_and_strokes_become_a_dataset(above: str, tmp_path: Path) -> None:
    source, target = published.voc(tmp_path / "source"), tmp_path / "target"
    write_ids_out_of_order = [*VOC_TRAIN[::-1]]
    published.write_ids(source / "ImageSets/Segmentation/train.txt", write_ids_out_of_order)
    prepared = prepare_voc((source / above).resolve(), target)
    assert ids(target, "Segmentation/train") == write_ids_out_of_order  # LPL counts on the order
    assert ids(target, "Segmentation/val") == ids(target, "SegmentationAug/val") == [*VOC_VAL]
    assert ids(target, "Segmentation/trainaug") == ids(target, "SegmentationAug/train") == AUG
    assert prepared.remarks == (
        "train: 2 images, published are 1464",
        "val: 2 images, published are 1449",
        "trainaug: 5 images, published are 10582",
    )
    mask = read_label(target / "SegmentationClassAug/2007_000032.png")
    assert np.array_equal(mask, published.mask_of(0))
    scribble = read_label(target / "pascal_2012_scribble/2010_000001.png")
    expected = np.full(published.SIZE, 255, np.uint8)
    expected[6:9, 2:22], expected[0:3, 0:11] = 1, 0
    assert np.array_equal(scribble[:12], expected[:12])
    assert (scribble == 15).sum() > 20
    tags = read_tags(target / "tags.txt", prepared.layout.class_names)
    assert set(tags) == {*VOC_TRAIN, *VOC_VAL, *VOC_EXTRA}
    assert tags["2008_000008"].nonzero().ravel().tolist() == [0, 1, 15]


def test_masks_of_sbd_extend_those_of_voc(tmp_path: Path) -> None:
    source = published.voc(tmp_path / "source", merged=False)
    raw = published.sbd(tmp_path)
    prepare(load_preparation("sbd"), raw, tmp_path / "sbd")
    for number, folder in enumerate((raw, tmp_path / "sbd", tmp_path / "benchmark_RELEASE")):
        target = tmp_path / f"target {number}"
        prepare_voc(source, target, sbd=folder)
        assert ids(target, "Segmentation/trainaug") == AUG
        masks = {path.stem: read_label(path) for path in target.glob("SegmentationClassAug/*.png")}
        assert set(masks) == {*AUG, *VOC_VAL}
        # An image with both has the mask of VOC, which has a void rim.
        assert np.array_equal(masks[VOC_TRAIN[1]], published.mask_of(1))
        assert np.array_equal(masks[VOC_VAL[0]], published.mask_of(2))
        of_sbd = published.mask_of(102)
        of_sbd[of_sbd == 255] = 0
        assert np.array_equal(masks[VOC_EXTRA[0]], of_sbd)


def test_scribbles_alone_extend_the_list(tmp_path: Path) -> None:
    source = published.voc(tmp_path / "source", merged=False)
    prepared = prepare_voc(source, tmp_path / "target")
    assert ids(tmp_path / "target", "Segmentation/trainaug") == AUG
    assert any("no masks but those of VOC itself: prepare SBD" in r for r in prepared.remarks)
    assert len(list(tmp_path.glob("target/SegmentationClassAug/*.png"))) == 4
    assert len(list(tmp_path.glob("target/pascal_2012_scribble/*.png"))) == 7


def test_without_scribbles_and_sbd_there_is_voc_alone(tmp_path: Path) -> None:
    source = published.voc(tmp_path / "source", merged=False, strokes=False)
    prepared = prepare_voc(source, tmp_path / "target")
    assert not (tmp_path / "target/ImageSets/Segmentation/trainaug.txt").exists()
    assert ids(tmp_path / "target", "SegmentationAug/train") == [*VOC_TRAIN]
    assert prepared.layout.scribbles is None
    assert any("no scribbles: get them from jifengdai.org" in r for r in prepared.remarks)


def test_label_images_of_scribbles_are_taken_as_they_are(tmp_path: Path) -> None:
    source = published.voc(tmp_path / "source", strokes=False)
    for seed, name in enumerate((*VOC_TRAIN, *VOC_VAL, *VOC_EXTRA)):
        scribble = published.strokes_of(published.mask_of(seed))
        three = np.repeat(scribble[..., None], 3, axis=-1)  # CSPNet stores three equal channels
        path = source / f"pascal_2012_scribble/{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(three if seed % 2 else scribble).save(path)
    prepare_voc(source, tmp_path / "target")
    for seed, name in enumerate((*VOC_TRAIN, *VOC_VAL, *VOC_EXTRA)):
        label = read_label(tmp_path / f"target/pascal_2012_scribble/{name}.png")
        assert np.array_equal(label, published.strokes_of(published.mask_of(seed)))
    with pytest.raises(ConfigError, match=r"--rule: the scribbles in .* are label images"):
        prepare_voc(source, tmp_path / "other", raster=Raster("line-3px"))


def test_the_form_of_pfa(tmp_path: Path) -> None:
    source, target = published.voc(tmp_path / "source"), tmp_path / "pfa"
    prepared = prepare_voc(source, target, form="pfa")
    assert ids(target, "train") == AUG
    assert ids(target, "val") == [*VOC_VAL]
    # Its code reads masks of val from the scribbles' folder.
    assert np.array_equal(
        read_label(target / f"ScribbleLabels/{VOC_VAL[0]}.png"), published.mask_of(2)
    )
    tags = np.load(target / "cls_labels.npy", allow_pickle=True).item()
    assert set(tags) == {*AUG, *VOC_VAL}
    assert (tags[AUG[0]].dtype, tags[AUG[0]].shape) == (np.float32, (20,))
    assert np.flatnonzero(tags[AUG[0]]).tolist() == [0, 14]
    of_mask = sorted({*np.unique(published.mask_of(2)).tolist()} - {0, 255})
    assert (np.flatnonzero(tags[VOC_VAL[0]]) + 1).tolist() == of_mask
    layout, root = load_layout("voc_pfa", str(target))
    assert layout == prepared.layout
    assert layout.records(root, layout.names(root, "train"), "scribble")

    # What it made is a source again, and its tags are believed.
    target.joinpath("cls_labels.npy").write_bytes(
        cls_labels_file({name: (0, 7) for name in (*AUG, *VOC_VAL)}, 21)
    )
    shutil.rmtree(target / "SegmentationClassAug")
    again = tmp_path / "again"
    prepared = prepare_voc(target, again, form="voc")
    assert any("tags are those of" in remark for remark in prepared.remarks)
    assert any("only the images of val have masks" in remark for remark in prepared.remarks)
    assert (again / "tags.txt").read_text().splitlines()[0].endswith("\tbackground,car")
    assert sorted(p.stem for p in again.glob("pascal_2012_scribble/*.png")) == AUG
    assert sorted(p.stem for p in again.glob("SegmentationClassAug/*.png")) == [*VOC_VAL]
    assert ids(again, "Segmentation/trainaug") == AUG
    assert not (again / "ImageSets/Segmentation/train.txt").exists()


def test_the_form_of_blpseg(tmp_path: Path) -> None:
    source, target = published.voc(tmp_path / "source"), tmp_path / "blpseg"
    prepared = prepare_voc(source, target, form="blpseg")
    assert ids(target / "VOC2012", "Segmentation/trainaug") == AUG
    for name in (*AUG, *VOC_VAL):
        stroke = target / f"scribble_annotation/pascal_2012/{name}.xml"
        assert stroke.samefile(source.parent / f"scribble_annotation/pascal_2012/{name}.xml")
        label = read_label(target / f"scribble_annotation/pascal_2012_label/{name}.png")
        assert (label[7, 3:21] == 1).all()
        assert (label == 1).sum() == 18  # one pixel wide
    layout, root = load_layout("voc_blpseg", str(target))
    assert layout == prepared.layout
    assert layout.names(root, "trainaug") == AUG
    assert layout.records(root, AUG, "scribble")
    assert "reference-1px" in (target / "dataset.yaml").read_text()
    # And what it made is a source again.
    prepare_voc(target, tmp_path / "again", form="blpseg")
    assert ids(tmp_path / "again/VOC2012", "Segmentation/trainaug") == AUG


def test_the_package_of_cdsp_is_a_source(tmp_path: Path) -> None:
    prepare_voc(published.voc(tmp_path / "source"), tmp_path / "cdsp")
    for name in ("train", "val", "trainaug"):
        (tmp_path / f"cdsp/ImageSets/Segmentation/{name}.txt").unlink()
    prepare_voc(tmp_path / "cdsp", tmp_path / "target")
    assert ids(tmp_path / "target", "Segmentation/trainaug") == AUG
    assert ids(tmp_path / "target", "SegmentationAug/train") == AUG


def test_each_form_takes_the_scribbles_that_its_method_was_trained_on(tmp_path: Path) -> None:
    source = published.voc(tmp_path / "source")  # with strokes
    prepare_voc(source, tmp_path / "thick")
    (tmp_path / "thick/pascal_2012_scribble").rename(source / "pascal_2012_scribble")
    for form, folder, pixels in (
        ("voc", "pascal_2012_scribble", 3 * 20),
        ("pfa", "ScribbleLabels", 3 * 20),
        ("blpseg", "scribble_annotation/pascal_2012_label", 18),
    ):
        prepare_voc(source, tmp_path / form, form=form)
        label = read_label(tmp_path / form / folder / f"{VOC_TRAIN[0]}.png")
        assert (label == 1).sum() == pixels
    # A rule can only be meant for the strokes.
    prepare_voc(source, tmp_path / "thin", raster=Raster("reference-1px"))
    label = read_label(tmp_path / f"thin/pascal_2012_scribble/{VOC_TRAIN[0]}.png")
    assert (label == 1).sum() == 18


def test_forms_of_methods_need_scribbles(tmp_path: Path) -> None:
    source = published.voc(tmp_path / "source", strokes=False)
    for form in ("pfa", "blpseg"):
        with pytest.raises(DataError, match=f"no scribbles for the form '{form}'"):
            prepare_voc(source, tmp_path / "target", form=form)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no scribbles <id>\.xml or <id>\.png; looked for"):
        prepare_voc(source, tmp_path / "target", scribbles=tmp_path / "empty")


def test_missing_scribbles_are_named(tmp_path: Path) -> None:
    source = published.voc(tmp_path / "source")
    (source.parent / f"scribble_annotation/pascal_2012/{VOC_EXTRA[1]}.xml").unlink()
    prepared = prepare_voc(source, tmp_path / "target")
    assert any(
        f"no scribble for {VOC_EXTRA[1]} (1 of 5 training images)" in r for r in prepared.remarks
    )
    tags = read_tags(tmp_path / "target/tags.txt", prepared.layout.class_names)
    of_mask = sorted({*np.unique(published.mask_of(5)).tolist(), 0} - {255})
    assert tags[VOC_EXTRA[1]].nonzero().ravel().tolist() == of_mask


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", ".hidden", "a\\b", "x\ty"])
def test_ids_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    source = published.voc(tmp_path / "source")
    published.write_ids(source / "ImageSets/Segmentation/train.txt", [VOC_TRAIN[0], name])
    with pytest.raises(DataError, match=r"train\.txt: .* is no image id"):
        prepare_voc(source, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_lists_that_contradict_the_files_are_refused(tmp_path: Path) -> None:
    source, target = published.voc(tmp_path / "source"), tmp_path / "target"
    train = source / "ImageSets/Segmentation/train.txt"
    for lines, message in (
        ([*VOC_TRAIN, VOC_VAL[0]], r"train\.txt and .*val\.txt share 2007_000033"),
        ([*VOC_TRAIN, VOC_TRAIN[0]], "2007_000032 listed more than once"),
        ([*VOC_TRAIN, "2012_000000"], r"2012_000000 \(1 of 3\) have no mask"),
        ([], "the list is empty"),
    ):
        published.write_ids(train, lines)
        with pytest.raises(DataError, match=message):
            prepare_voc(source, target)
    train.unlink()
    with pytest.raises(DataError, match=r"no lists; looked for ImageSets/Segmentation/train\.txt"):
        prepare_voc(source, target)
    assert not target.exists()


def test_missing_files_are_counted(tmp_path: Path) -> None:
    source, target = published.voc(tmp_path / "source"), tmp_path / "target"
    (source / f"JPEGImages/{VOC_EXTRA[0]}.jpg").unlink()
    with pytest.raises(DataError, match=f"JPEGImages: no picture .* for {VOC_EXTRA[0]}"):
        prepare_voc(source, target)
    published.picture(source / f"JPEGImages/{VOC_EXTRA[0]}.jpg", 0)
    (source / f"SegmentationClassAug/{VOC_VAL[0]}.png").unlink()
    with pytest.raises(DataError, match=rf"no masks .*{VOC_VAL[0]}\.png \(1 of 2\)"):
        prepare_voc(source, target)


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    source = published.voc(tmp_path / "source")
    path = source / f"SegmentationClassAug/{VOC_VAL[0]}.png"
    write_label(path, published.mask_of(0, size=(32, 24)))
    with pytest.raises(DataError, match=r"label is 24x32 but .* is 32x24 pixels"):
        prepare_voc(source, tmp_path / "target")
    write_label(path, np.full(published.SIZE, 38, np.uint8))
    with pytest.raises(DataError, match=r"label 38 on 768 pixels; expected 0\.\.20 or 255"):
        prepare_voc(source, tmp_path / "target")


def test_a_crafted_file_of_tags_stops_before_anything_is_written(tmp_path: Path) -> None:
    source, target = published.voc(tmp_path / "source"), tmp_path / "target"
    prepare_voc(source, tmp_path / "pfa", form="pfa")
    crafted = tmp_path / "pfa/cls_labels.npy"
    crafted.write_bytes(crafted.read_bytes().replace(b"numpy", b"posix"))
    with pytest.raises(DataError, match="names 'posix"):
        prepare_voc(source, target, scribbles=tmp_path / "pfa")
    assert not target.exists()


@pytest.mark.data
def test_the_package_of_cdsp_itself(data_root: Path, tmp_path: Path) -> None:
    source = data_root / "voc_sample/VOC2012"
    prepare_voc(source, tmp_path / "target")
    assert ids(tmp_path / "target", "Segmentation/trainaug") == ["2007_000032"]
    for folder in ("SegmentationClassAug", "pascal_2012_scribble", "JPEGImages"):
        for path in (source / folder).iterdir():
            made = tmp_path / "target" / folder / path.name
            if path.suffix == ".png":
                assert np.array_equal(read_label(made), read_label(path))
            else:
                assert made.read_bytes() == path.read_bytes()

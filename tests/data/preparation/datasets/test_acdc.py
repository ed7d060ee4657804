import csv
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
from PIL import Image
from tests import published_datasets as published

from scribbleseg.annotation import read_image, read_label
from scribbleseg.data.preparation import Options, prepare
from scribbleseg.data.preparation.datasets.acdc import PREPARATION
from scribbleseg.errors import DataError
from scribbleseg.evaluation import read_volumes

CASES = published.ACDC_CASES


def published_grey(volume: np.ndarray) -> np.ndarray:
    """The README's words, literally: clip above a bin's centre, then 0..255 half to even."""
    counts, edges = np.histogram(volume, 256)
    share = counts.cumsum() / counts.sum()
    centers = (edges[1:] + edges[:-1]) / 2
    top = centers[share >= 0.99][0]
    clipped = np.clip(volume, volume.min(), top)
    scaled = (clipped - clipped.min()) / (clipped.max() - clipped.min())
    return np.array([[[round(255 * value) for value in row] for row in one] for one in scaled])


def check_labels(target: Path) -> None:
    for case, seed in CASES.items():
        _, masks, scribbles = published.heart(seed)
        for index in range(len(masks)):
            name = f"{case}_slice_{index}.png"
            assert np.array_equal(read_label(target / "SegmentationClass" / name), masks[index])
            drawn = np.where(scribbles[index] == 4, 255, scribbles[index])
            assert np.array_equal(read_label(target / "scribbles" / name), drawn)


def test_the_challenges_form(tmp_path: Path) -> None:
    source, target = published.acdc_nifti(tmp_path / "database/training"), tmp_path / "target"
    (source / "patient001/patient001_4d.nii.gz").write_bytes(b"the whole film is not read")
    prepared = prepare(PREPARATION, source.parent, target)
    check_labels(target)
    for case, seed in CASES.items():
        grey = published_grey(published.heart(seed)[0])
        for index, one in enumerate(grey):
            image = read_image(target / f"images/{case}_slice_{index}.png", "L")
            assert np.array_equal(image, one)
    assert prepared.remarks == ("3 volumes, published are 200",)
    with (target / "volumes.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    names = " ".join(f"patient001_frame01_slice_{index}" for index in range(3))
    assert list(row.items()) == [
        ("patient", "patient001"),
        ("frame", "frame01"),
        ("val_fold", "fold1"),
        ("n_slices", "3"),
        ("height", "24"),
        ("width", "32"),
        ("spacing_z", "10"),
        ("spacing_y", "1.5625"),
        ("spacing_x", "1.25"),
        ("slices", names),
    ]
    val = (target / "ImageSets/fold2_val.txt").read_text().split()
    assert val == [f"patient021_frame01_slice_{index}" for index in range(3)]
    assert not (target / "ImageSets/fold3_val.txt").exists()


def test_scribbles_from_elsewhere_and_uncompressed_volumes(tmp_path: Path) -> None:
    source = published.acdc_nifti(tmp_path / "source")
    drawn = tmp_path / "ACDC_scribbles"
    for path in sorted(source.rglob("*_scribble.nii.gz")):
        (drawn / path.parent.name).mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.load(path), drawn / path.parent.name / path.name[:-3])
        path.unlink()
    without = prepare(PREPARATION, source, tmp_path / "without")
    assert any("no scribbles for patient001_frame01" in remark for remark in without.remarks)
    assert not (tmp_path / "without/scribbles").exists()
    prepare(PREPARATION, source, tmp_path / "target", options=Options(scribbles=drawn))
    check_labels(tmp_path / "target")


def test_the_form_of_wsl4mis(tmp_path: Path) -> None:
    source, target = published.acdc_hdf5(tmp_path / "source"), tmp_path / "target"
    prepared = prepare(PREPARATION, source, target)
    check_labels(target)
    for case, seed in CASES.items():
        images, _, _ = published.heart(seed)
        for index, image in enumerate(images):
            grey = np.rint(255 * (image / np.float32(900)).astype(np.float64))
            path = target / f"images/{case}_slice_{index}.png"
            assert np.array_equal(read_image(path, "L"), grey)
    assert any("distances count pixels (3 times)" in remark for remark in prepared.remarks)
    assert {volume.spacing for volume in read_volumes(target / "volumes.csv")} == {(1, 1, 1)}
    nifti = published.acdc_nifti(tmp_path / "nifti")
    prepare(PREPARATION, source, tmp_path / "spaced", options=Options(scribbles=nifti))
    spacings = {volume.spacing for volume in read_volumes(tmp_path / "spaced/volumes.csv")}
    assert spacings == {published.SPACING}


@pytest.mark.parametrize("as_released", [False, True])
def test_slices_as_pictures(as_released: bool, tmp_path: Path) -> None:
    source = published.acdc_pictures(tmp_path / "source", as_released=as_released)
    target = tmp_path / "target"
    prepare(PREPARATION, source, target)
    check_labels(target)
    spacing = (1.0, 1.0, 1.0) if as_released else published.SPACING
    assert {volume.spacing for volume in read_volumes(target / "volumes.csv")} == {spacing}
    grey = read_image(target / "images/patient001_frame01_slice_0.png", "L")
    original = published.heart(1)[0][0] // 4
    assert np.abs(grey.astype(int) - original).max() <= (40 if as_released else 0)


@pytest.mark.parametrize(
    "build", [published.acdc_nifti, published.acdc_hdf5, published.acdc_pictures]
)
def test_a_folder_without_scribbles_is_refused(build: Any, tmp_path: Path) -> None:
    source = build(tmp_path / "source")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no patientPPP_frameFF_"):
        prepare(
            PREPARATION,
            source,
            tmp_path / "target",
            options=Options(scribbles=tmp_path / "empty"),
        )


def test_patients_of_the_test_set_are_left_out(tmp_path: Path) -> None:
    volumes = {"patient001_frame01": published.heart(1), "patient101_frame01": published.heart(2)}
    source = published.acdc_nifti(tmp_path / "source", volumes)
    prepared = prepare(PREPARATION, source, tmp_path / "target")
    assert "1 volumes of the test set are left out" in prepared.remarks
    assert len(list(tmp_path.glob("target/images/*.png"))) == 3


def nifti(path: Path, array: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(array.T), np.eye(4)), path)


def test_incomplete_and_contradicting_volumes_are_refused(tmp_path: Path) -> None:
    source, target = published.acdc_nifti(tmp_path / "source"), tmp_path / "target"
    mask = source / "patient021/patient021_frame01_gt.nii.gz"
    for array, message in (
        (np.zeros((3, 32, 24), np.uint8), r"3x32x24 slices, rows, columns, but .* has 3x24x32"),
        (np.full((3, 24, 32), 4, np.uint8), r"value 4 on 768 pixels; known values are 0\.\.3"),
        (np.full((3, 24, 32), 0.5), "labels are whole numbers"),
    ):
        nifti(mask, array)
        with pytest.raises(DataError, match=message):
            prepare(PREPARATION, source, target)
    assert not list(target.glob("*/patient021*"))
    mask.write_bytes(mask.read_bytes()[:100])
    with pytest.raises(DataError, match=r"patient021_frame01_gt\.nii\.gz: cannot be read"):
        prepare(PREPARATION, source, target)
    mask.unlink()
    with pytest.raises(DataError, match=r"no mask \(_gt\) of patient021_frame01; get ACDC"):
        prepare(PREPARATION, source, target)
    for path in source.glob("patient021/*.nii.gz"):
        path.unlink()
    for path in source.glob("patient001/*frame12*"):
        path.unlink()
    with pytest.raises(
        DataError, match=r"Info\.cfg: names frame 12, but patient001_frame12 is mis"
    ):
        prepare(PREPARATION, source, target)


@pytest.mark.parametrize(
    "what",
    ["external", "soft", "storage", "virtual", "group", "missing", "values", "shape", "text"],
)
def test_slices_that_point_elsewhere_or_hold_something_else_are_refused(
    what: str, tmp_path: Path
) -> None:
    source = published.acdc_hdf5(tmp_path / "source")
    path = source / "ACDC_training_slices/patient001_frame01_slice_1.h5"
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["image"] = np.zeros(published.SIZE, np.float32)
    (tmp_path / "raw").write_bytes(bytes(4 * published.SIZE[0] * published.SIZE[1]))
    with h5py.File(path, "a") as file:
        del file["image"]
        if what == "external":
            file["image"] = h5py.ExternalLink(tmp_path / "other.h5", "/image")
        elif what == "soft":
            file["elsewhere"] = np.zeros(published.SIZE, np.float32)
            file["image"] = h5py.SoftLink("/elsewhere")
        elif what == "storage":
            raw = [(bytes(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
            file.create_dataset("image", published.SIZE, np.float32, external=raw)
        elif what == "virtual":
            virtual = h5py.VirtualLayout(published.SIZE, np.float32)
            virtual[:] = h5py.VirtualSource(tmp_path / "other.h5", "image", published.SIZE)
            file.create_virtual_dataset("image", virtual)
        elif what == "group":
            file.create_group("image")
        elif what == "values":
            file["image"] = np.full(published.SIZE, 2.0, np.float32)
        elif what == "shape":
            file["image"] = np.zeros((4, 5), np.float32)
        elif what == "text":
            file["image"] = "text"
    with pytest.raises(DataError, match=r"patient001_frame01_slice_1\.h5"):
        prepare(PREPARATION, source, tmp_path / "target")
    assert not list(tmp_path.glob("target/*/patient001_frame01*"))


def test_missing_slices_and_wrong_names_are_refused(tmp_path: Path) -> None:
    source = published.acdc_hdf5(tmp_path / "source")
    folder = source / "ACDC_training_slices"
    (folder / "patient021_frame01_slice_1.h5").unlink()
    with pytest.raises(DataError, match=r"patient021_frame01: no slice 1 of 3; get"):
        prepare(PREPARATION, source, tmp_path / "target")
    (folder / "heart.h5").touch()
    with pytest.raises(DataError, match=r"heart\.h5: not called patientPPP_frameFF_slice_Z"):
        prepare(PREPARATION, source, tmp_path / "target")
    pictures = published.acdc_pictures(tmp_path / "pictures")
    (pictures / "scribbles/patient021_frame01_slice_1.png").unlink()
    with pytest.raises(DataError, match="scribbles of only 2 of 3 slices of patient021_frame01"):
        prepare(PREPARATION, pictures, tmp_path / "target")
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(
        pictures / "SegmentationClass/patient001_frame01_slice_1.png"
    )
    (pictures / "volumes.csv").write_text("patient,frame\npatient001,frame01\n")
    with pytest.raises(DataError, match=r"volumes\.csv: 'spacing_z'; columns are"):
        prepare(PREPARATION, pictures, tmp_path / "target")


@pytest.mark.data
def test_real_volumes_come_back_pixel_by_pixel(data_root: Path, tmp_path: Path) -> None:
    """Real slices, packed as the challenge publishes them, are what they were."""
    root, cases = data_root / "acdc", ("patient018_frame01", "patient023_frame01")
    with (root / "volumes.csv").open(newline="") as file:
        lines = {f"{r['patient']}_{r['frame']}": r for r in csv.DictReader(file)}
    source = tmp_path / "source"
    for case in cases:
        names = lines[case]["slices"].split()
        affine = np.diag([float(lines[case][f"spacing_{axis}"]) for axis in "xyz"] + [1])
        folder = source / case[:10]
        folder.mkdir(parents=True)
        images, masks, scribbles = (
            np.stack([np.array(Image.open(root / kind / f"{name}.png")) for name in names])
            for kind in ("images", "SegmentationClass", "scribbles")
        )
        scribbles = np.where(scribbles == 255, 4, scribbles).astype(np.uint16)
        for kind, array in (("", images), ("_gt", masks), ("_scribble", scribbles)):
            volume = nibabel.Nifti1Image(array.T, affine, dtype=array.dtype)
            nibabel.save(volume, folder / f"{case}{kind}.nii.gz")
    target = tmp_path / "target"
    prepare(PREPARATION, source, target)
    made = sorted(path.name for path in (target / "images").iterdir())
    assert made == sorted(f"{name}.png" for case in cases for name in lines[case]["slices"].split())
    for kind in ("images", "SegmentationClass", "scribbles"):
        for name in made:
            with Image.open(target / kind / name) as one, Image.open(root / kind / name) as other:
                assert one.mode == other.mode == "L"
                assert np.array_equal(np.array(one), np.array(other))
    with (target / "volumes.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [lines[case] for case in cases]


@pytest.mark.data
def test_the_real_folder_is_what_is_made_of_it(data_root: Path, tmp_path: Path) -> None:
    """A patient of two folds: the same volumes and lists, in the same order."""
    root, source = data_root / "acdc", tmp_path / "source"
    patients = {"patient019", "patient035"}
    for kind in ("images", "SegmentationClass", "scribbles"):
        (source / kind).mkdir(parents=True)
        for path in (root / kind).iterdir():
            if path.name[:10] in patients:
                (source / kind / path.name).symlink_to(path)
    (source / "volumes.csv").write_text((root / "volumes.csv").read_text())
    target = tmp_path / "target"
    prepare(PREPARATION, source, target)
    for path in sorted((root / "ImageSets").iterdir()):
        expected = [name for name in path.read_text().split() if name[:10] in patients]
        made = target / "ImageSets" / path.name
        assert (made.read_text().split() if made.exists() else []) == expected
    lines = (root / "volumes.csv").read_text().splitlines()
    expected = [line for line in lines if line[:10] in patients or line.startswith("patient,")]
    assert (target / "volumes.csv").read_text().splitlines() == expected

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from scribbleseg.annotation import voc_palette
from scribbleseg.annotation.formats import Classes, Options
from scribbleseg.annotation.formats.nifti import FORMAT
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
SHAPE = 3, 7, 5  # slices, rows, columns
SCRIBBLE = RNG.integers(0, 5, SHAPE).astype(np.uint8)
PICTURE = RNG.integers(0, 900, SHAPE).astype(np.int16)


def save(path: Path, slices: NDArray[Any], spacing: Any = (1.5, 1.25, 10)) -> Path:
    """As the volumes of ACDC: axes x, y, z."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(slices.T, np.diag([*spacing, 1])), path)
    return path


def read_all(source: Path, **options: Any) -> list[Drawing]:
    found = FORMAT.find(source, Options(**options))
    options.setdefault("classes", found.classes)
    return [one for entry in found.entries for one in FORMAT.read(entry, Options(**options))]


def check(drawings: list[Drawing], name: str) -> None:
    assert [one.name for one in drawings] == [f"{name}_slice_{z}" for z in range(3)]
    np.testing.assert_array_equal(
        [one.label for one in drawings], np.where(SCRIBBLE == 4, 255, SCRIBBLE)
    )
    assert {(one.size, one.volume, one.spacing) for one in drawings} == {
        ((7, 5), name, (10, 1.25, 1.5))
    }


def test_pairs_in_one_folder(tmp_path: Path) -> None:
    save(tmp_path / "patient001_frame01.nii.gz", PICTURE)
    save(tmp_path / "patient001_frame01_scribble.nii.gz", SCRIBBLE)
    drawings = read_all(tmp_path)
    check(drawings, "patient001_frame01")
    pictures = np.array([one.picture for one in drawings])
    assert pictures.dtype == np.uint8
    assert (pictures.min(), pictures.max()) == (0, 255)
    found = FORMAT.find(tmp_path, Options())
    assert found.classes is not None
    assert found.classes.names == ("background", "RV", "MYO", "LV")
    assert found.remarks == ("classes are taken for those of ACDC: background, RV, MYO, LV",)


@pytest.mark.parametrize("ending", ["_scribble", ""])
def test_scribbles_and_volumes_in_two_folders(ending: str, tmp_path: Path) -> None:
    save(tmp_path / "scribbles/p1" / f"p1_frame01{ending}.nii.gz", SCRIBBLE)
    save(tmp_path / "training/p1/p1_frame01.nii.gz", PICTURE)
    drawings = read_all(tmp_path / "scribbles", images=tmp_path / "training")
    check(drawings, "p1/p1_frame01")
    save(tmp_path / "flat/p1_frame01.nii.gz", PICTURE)
    check(read_all(tmp_path / "scribbles", images=tmp_path / "flat"), "p1/p1_frame01")


def test_other_classes_and_values(tmp_path: Path) -> None:
    two = Classes(("background", "lesion"), tuple(voc_palette(2)))
    save(tmp_path / "a_scribble.nii", SCRIBBLE % 3)
    save(tmp_path / "a.nii", PICTURE)
    expected = np.where(SCRIBBLE % 3 == 2, 255, SCRIBBLE % 3)
    np.testing.assert_array_equal([one.label for one in read_all(tmp_path, classes=two)], expected)
    save(
        tmp_path / "a_scribble.nii", np.where(SCRIBBLE % 3 == 2, 99, SCRIBBLE % 3).astype(np.int16)
    )
    drawings = read_all(tmp_path, classes=two, unlabelled=99)
    np.testing.assert_array_equal([one.label for one in drawings], expected)
    with pytest.raises(ConfigError, match="unlabelled: 1; expected a value from 2"):
        read_all(tmp_path, classes=two, unlabelled=1)


def test_the_value_of_unlabelled_pixels_is_not_taken_for_a_class(tmp_path: Path) -> None:
    save(tmp_path / "a_scribble.nii", SCRIBBLE % 3)  # two classes and 2, not ACDC
    save(tmp_path / "a.nii", PICTURE)
    with pytest.raises(
        DataError, match=r"a_scribble\.nii: no pixel has the value 4.*background, RV"
    ):
        read_all(tmp_path)
    save(tmp_path / "a_scribble.nii", SCRIBBLE + 1)
    with pytest.raises(DataError, match=r"a_scribble\.nii: a_slice_0: value 5 on \d+ pixels"):
        read_all(tmp_path)


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.nii", PICTURE)
    with pytest.raises(DataError, match=r"no file \*_scribble\.nii\.gz; without that ending"):
        read_all(tmp_path)
    save(tmp_path / "b_scribble.nii", SCRIBBLE)
    with pytest.raises(DataError, match="no volume, or several, for the scribbles of b"):
        read_all(tmp_path)
    save(tmp_path / "b.nii", PICTURE[:2])
    with pytest.raises(DataError, match=r"3x7x5 slices, rows and columns, but .* has 2x7x5"):
        read_all(tmp_path)
    save(tmp_path / "b.nii", PICTURE)
    (tmp_path / "b_scribble.nii").write_bytes(b"")
    with pytest.raises(DataError, match=r"b_scribble\.nii: cannot be read"):
        read_all(tmp_path)

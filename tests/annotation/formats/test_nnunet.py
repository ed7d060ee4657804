import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.imported import errors_for_the_user

from scribbleseg.annotation import voc_palette
from scribbleseg.annotation.formats import Classes, Options
from scribbleseg.annotation.formats.nnunet import FORMAT
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.errors import DataError

LABELS = {"background": 0, "cell": 1, "wall": 2, "ignore": 3}
STACK = np.arange(2 * 5 * 6).reshape(2, 5, 6) % 4


def dataset(root: Path, ending: str, **changes: Any) -> Path:
    """A raw dataset of nnU-Net 2."""
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    description = {
        "channel_names": {"0": "CT"},
        "labels": LABELS,
        "numTraining": 1,
        "file_ending": ending,
        **changes,
    }
    (root / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    for path in (root / f"labelsTr/c1{ending}", root / f"imagesTr/c1_0000{ending}"):
        if ending == ".png":
            Image.fromarray(STACK[0].astype(np.uint8)).save(path)
        elif ending == ".tif":
            tifffile.imwrite(path, STACK.astype(np.uint8))
        else:
            nibabel.save(nibabel.Nifti1Image(STACK.T.astype(np.uint8), np.eye(4)), path)
    return root


def read_all(root: Path, **options: Any) -> list[Drawing]:
    found = FORMAT.find(root, Options(**options))
    options.setdefault("classes", found.classes)
    return [one for entry in found.entries for one in FORMAT.read(entry, Options(**options))]


def test_png(tmp_path: Path) -> None:
    drawing, = read_all(dataset(tmp_path, ".png"))  # fmt: skip
    np.testing.assert_array_equal(drawing.label, np.array([0, 1, 2, 255])[STACK[0]])
    assert (drawing.name, drawing.picture) == ("c1", tmp_path / "imagesTr/c1_0000.png")
    found = FORMAT.find(tmp_path / "dataset.json", Options())
    assert found.classes is not None
    assert found.classes.names == ("background", "cell", "wall")
    assert found.remarks == ()


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".tif"])
def test_volumes(ending: str, tmp_path: Path) -> None:
    drawings = read_all(dataset(tmp_path, ending))
    assert [one.name for one in drawings] == ["c1_slice_0", "c1_slice_1"]
    np.testing.assert_array_equal([one.label for one in drawings], np.array([0, 1, 2, 255])[STACK])
    np.testing.assert_array_equal([one.picture for one in drawings], STACK)
    assert drawings[0].spacing == (None if ending == ".tif" else (1, 1, 1))


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    dataset(tmp_path, ".png")
    classes = Classes(("background", "wall"), tuple(voc_palette(2)))
    with pytest.raises(DataError, match=r"c1\.png: label 1: class 'cell' is unknown"):
        read_all(tmp_path, classes=classes)
    drawing, = read_all(tmp_path, classes=classes, unknown="skip")  # fmt: skip
    np.testing.assert_array_equal(drawing.label, np.array([0, 255, 1, 255])[STACK[0]])
    assert drawing.remarks == ("label 'cell' left out: it is not one of the classes",)


def test_what_a_person_should_know_is_remarked(tmp_path: Path) -> None:
    dataset(
        tmp_path,
        ".png",
        labels={"background": 0, "a": 1, "b": 2, "c": 3},
        channel_names={"0": "T1", "1": "T2"},
    )
    Image.new("L", (6, 5)).save(tmp_path / "imagesTr/c1_0001.png")
    remarks = FORMAT.find(tmp_path, Options()).remarks
    assert remarks == (
        f"{tmp_path / 'dataset.json'} has no label 'ignore': every pixel is labelled",
        "of 2 channels only the first is taken",
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"0": "background", "1": "cell"}, "label '0' has the value 'background'"),
        ({"background": 0, "all": [1, 2]}, "label 'all' is a region"),
        ({"background": 0, "cell": 2}, "expected 0, 1, ... without gaps"),
        ({"cell": 0}, "label 0 is ['cell']; expected background"),
        ({}, "label 0 is []"),
        (
            {"background": 0, "ignore": 1, "cell": 2},
            "'ignore' has the value 1; expected the highest",
        ),
        ({"background": 0, "cell": True}, "label 'cell' has the value True"),
        (["background"], "labels is ['background']; expected"),
    ],
)
def test_labels_are_checked(labels: Any, message: str, tmp_path: Path) -> None:
    dataset(tmp_path, ".png", labels=labels)
    with pytest.raises(DataError, match=r"dataset\.json") as caught:
        FORMAT.find(tmp_path, Options())
    assert message in str(caught.value)


def test_files_are_checked(tmp_path: Path) -> None:
    dataset(tmp_path, ".png", file_ending=".mha")
    with pytest.raises(DataError, match=r"file_ending is '\.mha'; \.nii\.gz, .* are read"):
        FORMAT.find(tmp_path, Options())
    dataset(tmp_path, ".png")
    (tmp_path / "imagesTr/c1_0000.png").unlink()
    with pytest.raises(DataError, match=r"c1\.png: no picture .*c1_0000\.png"):
        FORMAT.find(tmp_path, Options())
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(DataError, match=r"dataset\.json: no such file"):
        FORMAT.find(tmp_path, Options())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.sampled_from([".png", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["background", "ignore", "a", "0"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.dictionaries(
        st.sampled_from(["labels", "file_ending", "channel_names"]), JSON, min_size=1
    ),
    whole=st.none() | JSON,
)
def test_any_description_costs_a_data_error_at_most(
    changes: dict[str, Any], whole: Any, tmp_path: Path
) -> None:
    dataset(tmp_path, ".png", **changes)
    if whole is not None:
        (tmp_path / "dataset.json").write_text(json.dumps(whole), encoding="utf-8")
    with errors_for_the_user(""):
        assert len(read_all(tmp_path)) == 1

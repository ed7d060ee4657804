from dataclasses import replace
from pathlib import Path

import pytest
from tests.drawn import CLASSES

from scribbleseg.data.layouts import load_layout
from scribbleseg.errors import DataError
from scribbleseg.evaluation.truth import Truth


def test_a_dataset_knows_everything(drawn: Path) -> None:
    layout, root = load_layout("folder", str(drawn))
    truth = Truth.of_dataset(layout, root)
    assert truth.masks == drawn / "masks"
    assert truth.class_names == CLASSES
    assert truth.listed("test") == ["cell 8", "cell 9", "cell 10"]
    assert truth.find_pictures(["cell 1"]) == {"cell 1": drawn / "images/cell 1.png"}
    assert truth.find_scribbles(["cell 1", "none"], required=True) == {
        "cell 1": drawn / "scribbles/cell 1.png"
    }
    assert truth.colors(3) == layout.palette
    assert len(truth.colors(7)) == 7
    assert Truth.of_dataset(layout, root, Path("m")).masks == Path("m")
    with pytest.raises(DataError, match="the dataset has no masks"):
        Truth.of_dataset(replace(layout, masks=None), root)


def test_masks_alone_know_nothing(tmp_path: Path) -> None:
    truth = Truth(tmp_path)
    assert truth.find_pictures(["a"]) == {}
    assert truth.find_scribbles(["a"], required=False) is None
    (tmp_path / "l.txt").write_text("a\nb\n")
    assert truth.listed(str(tmp_path / "l.txt")) == ["a", "b"]


def test_no_scribble_at_all_is_an_error_where_they_were_asked_for(tmp_path: Path) -> None:
    truth = Truth(tmp_path, scribbles=tmp_path / "s")
    assert truth.find_scribbles(["a", "b"], required=False) is None
    with pytest.raises(
        DataError, match=r"a\.png: no such file, and no scribble of another of the 2"
    ):
        truth.find_scribbles(["a", "b"], required=True)

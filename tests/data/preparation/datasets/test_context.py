from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from tests import published_datasets as published
from tests.golden_cases import Case, golden

from scribbleseg.annotation import read_label
from scribbleseg.annotation.raster import Raster
from scribbleseg.data.preparation import Options, load_preparation, prepare
from scribbleseg.data.preparation.datasets.context import class_of_id
from scribbleseg.errors import DataError
from scribbleseg.evaluation.confusion import Scores, confusion_matrix


@golden("blpseg", "context", holding="table_correct")
def test_tables_are_those_of_the_reference(case: Case) -> None:
    assert np.array_equal(class_of_id(), case["table_correct"])
    assert np.array_equal(class_of_id("reference"), case["table_reference"])


@golden("blpseg", "context", holding="raw_labelmap")
def test_scores_with_both_tables_are_those_of_the_reference(case: Case) -> None:
    for table in ("correct", "reference"):
        truth = class_of_id(table)[case["raw_labelmap"]]
        scores = Scores.from_counts(confusion_matrix(case["pred"], truth, num_classes=60))
        iou = 100 * np.nan_to_num(scores.iou)
        np.testing.assert_allclose(iou, case[f"iou_percent_{table}"], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(100 * scores.miou_all, case[f"miou_percent_{table}"], rtol=1e-9)


@pytest.mark.parametrize("official", [False, True])
@pytest.mark.parametrize("table", ["correct", "reference"])
def test_ids_become_classes(official: bool, table: Any, tmp_path: Path) -> None:
    source = published.context(tmp_path / "source", official=official)
    target = tmp_path / "target"
    prepared = prepare(
        load_preparation("context"), source, target, options=Options(context_table=table)
    )
    assert "train: 2 images, published are 4998" in prepared.remarks
    masks = source / ("trainval" if official else "SegmentationClass")
    for path in masks.iterdir():
        ids = loadmat(path)["LabelMap"]
        mask = read_label(target / f"SegmentationClass/{path.stem}.png")
        assert np.array_equal(mask, class_of_id(table)[ids])
        four = [21, 22, 52, 23] if table == "correct" else [0, 2, 0, 2]
        assert mask[0, :6].tolist() == [*four, 0, 0]
    scribble = read_label(target / "pascal_context_label/2008_000002.png")
    assert (scribble[5, 12:21] == 1).all()
    assert (scribble[range(2, 10), range(2, 10)] == 59).all()
    assert (scribble != 255).sum() == 9 + 8  # one pixel wide
    assert (target / "tags.txt").read_text().startswith("2008_000002\taeroplane,wood\n")


def test_scribbles_elsewhere_are_drawn_as_asked(tmp_path: Path) -> None:
    source = published.context(tmp_path / "source")
    (tmp_path / "source/scribble_annotation").rename(tmp_path / "drawn")
    options = Options(scribbles=tmp_path / "drawn", raster=Raster("line-3px"))
    prepare(load_preparation("context"), source, tmp_path / "target", options=options)
    scribble = read_label(tmp_path / "target/pascal_context_label/2008_000002.png")
    assert (scribble[4:7, 12:21] == 1).all()


def test_ids_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    source = published.context(tmp_path / "source")
    path = source / "SegmentationClass/2008_000003.mat"
    savemat(path, {"LabelMap": np.full(published.SIZE, 460, np.uint16)})
    with pytest.raises(DataError, match=r"values from 460 to 460; expected ids 0\.\.459"):
        prepare(load_preparation("context"), source, tmp_path / "target")
    path.unlink()
    with pytest.raises(DataError, match=r"no masks .*2008_000003\.mat \(1 of 3\); get trainval"):
        prepare(load_preparation("context"), source, tmp_path / "target")


def test_a_class_of_nobody_in_the_strokes_is_refused(tmp_path: Path) -> None:
    source = published.context(tmp_path / "source")
    path = tmp_path / "source/scribble_annotation/pascal_context/2008_000002.xml"
    published.write_strokes(path, {"wod": [(1, 1), (5, 5)]})
    with pytest.raises(DataError, match=r"class 'wod' is unknown; did you mean 'wood'"):
        prepare(load_preparation("context"), source, tmp_path / "target")

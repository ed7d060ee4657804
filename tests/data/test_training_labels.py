import logging
from pathlib import Path

import numpy as np
import pytest

from scribbleseg.annotation import LabelAudit, write_label
from scribbleseg.data import load_layout
from scribbleseg.data.training_labels import judge_training_labels, read_labels
from scribbleseg.errors import DataError

NAMES = ("background", "disc", "square")


def audit(pixels: list[int], empty: tuple[Path, ...] = ()) -> LabelAudit:
    counts = np.array(pixels)
    return LabelAudit(4, counts, (counts > 0).astype(np.int64), 1000, {}, empty, (), ())


def test_good_labels_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        judge_training_labels(audit([10, 5, 5]), NAMES)
    assert "4 label images, 2.00 % of the pixels labelled" in caplog.text


def test_a_class_that_nobody_drew_is_said(caplog: pytest.LogCaptureFixture) -> None:
    judge_training_labels(audit([10, 0, 5]), NAMES)
    assert "class 'disc' is never drawn" in caplog.text


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(DataError, match=r"class 'background' \(index 0\) is never drawn in 4"):
        judge_training_labels(audit([0, 5, 5]), NAMES)
    empty = audit([10, 5, 5], (Path("a.png"),))
    with pytest.raises(DataError, match=r"nothing is drawn in 1 of 4 label images: a\.png"):
        judge_training_labels(empty, NAMES)
    judge_training_labels(empty, NAMES, allow_empty=True)


def test_the_first_bad_file_and_their_number(drawn: Path, tmp_path: Path) -> None:
    layout, root = load_layout("folder", str(drawn))
    files = [(drawn / "scribbles/cell 0.png", drawn / "images/cell 0.png")]
    assert read_labels([*files], layout, root).images == 1
    for name in ("a", "b"):
        write_label(tmp_path / f"{name}.png", np.full((48, 64), 9, np.uint8))
        files.append((tmp_path / f"{name}.png", drawn / "images/cell 0.png"))
    with pytest.raises(DataError, match=r"a\.png: label 9 .*\(1 more: scribbleseg check "):
        read_labels([*files], layout, root)

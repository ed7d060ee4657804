from pathlib import Path

import numpy as np
import pytest

from scribbleseg.annotation import write_label
from scribbleseg.errors import DataError
from scribbleseg.recipes.pseudo_label_scores import score_pseudo_labels


def pair(folder: Path, label: list[list[int]], mask: list[list[int]] | None) -> tuple[Path, Path]:
    paths = (folder / "label.png", folder / "mask.png")
    for path, values in zip(paths, (label, mask), strict=True):
        write_label(path, np.array(values, np.uint8))
    return paths


def test_undecided_pixels_are_counted_apart(tmp_path: Path) -> None:
    one = pair(tmp_path / "a", [[0, 0, 1, 255]], [[0, 1, 1, 1]])
    two = pair(tmp_path / "b", [[255, 0, 0, 1]], [[0, 0, 0, 255]])
    scores = score_pseudo_labels([one, two, (one[0], None)], ["ground", "thing"])
    # ground: 3 right of 4 in either; thing: 1 right of 2; what the masks leave open does not count
    assert scores.counts.tolist() == [[3, 0], [1, 1]]
    assert scores.as_dict()["miou"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert scores.labelled == 9 / 12
    assert (scores.images, scores.compared) == (3, 2)


def test_nothing_decided_has_no_score(tmp_path: Path) -> None:
    facts = score_pseudo_labels([pair(tmp_path, [[255]], [[1]])], ["a", "b"]).as_dict()
    assert (facts["miou"], facts["labelled_fraction"]) == (None, 0)


@pytest.mark.parametrize(
    ("label", "mask", "message"),
    [
        ([[0, 2]], [[0, 1]], r"label\.png: label 2 on 1 pixels; expected 0\.\.1 or 255"),
        ([[0, 1]], [[0, 9]], r"mask\.png: label 9 on 1 pixels"),
        ([[0, 1]], [[0], [1]], r"label\.png: 2x1 pixels, but .*mask\.png has 1x2; a pseudo label"),
    ],
)
def test_what_is_no_pseudo_label_is_refused(
    tmp_path: Path, label: list[list[int]], mask: list[list[int]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        score_pseudo_labels([pair(tmp_path, label, mask)], ["a", "b"])

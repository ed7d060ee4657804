from pathlib import Path

import numpy as np
import pytest

from scribbleseg.errors import DataError
from scribbleseg.evaluation import Volume, read_volumes, score_volumes


def test_scores_of_volumes_count_what_is_empty() -> None:
    def label(*values: int) -> np.ndarray:
        return np.array([values], np.uint8)

    truth = {"a0": label(1, 1, 0, 0), "a1": label(0, 0, 0, 0), "b0": label(0, 1, 2, 0)}
    prediction = {"a0": label(1, 0, 0, 0), "a1": label(0, 0, 3, 0), "b0": label(0, 1, 0, 0)}
    volumes = [Volume("a", ("a0", "a1"), (10, 1, 1)), Volume("b", ("b0",), (10, 1, 1))]
    scores = score_volumes(
        volumes, prediction.__getitem__, truth.__getitem__, ["bg", "one", "two", "three"]
    )
    assert scores.class_names == ("one", "two", "three")
    np.testing.assert_allclose(scores.dice, [[2 / 3, np.nan, 0], [1, 0, np.nan]])
    np.testing.assert_allclose(scores.hd95, [[0.9, np.nan, np.nan], [0, np.nan, np.nan]])
    assert scores.empty_prediction.tolist() == [0, 1, 0]  # two: true in b, predicted nowhere
    assert scores.empty_truth.tolist() == [0, 0, 1]
    assert scores.empty_both.tolist() == [0, 1, 1]
    np.testing.assert_allclose(scores.mean_dice, [(2 / 3 + 1) / 2, 0, 0])
    np.testing.assert_allclose(scores.mean_hd95, [0.45, np.nan, np.nan])


HEADER = "patient,frame,spacing_z,spacing_y,spacing_x,slices\n"


def test_reading_volumes(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(HEADER + "p1,f1,10,1.5,1.25,s0 s1\n")
    assert read_volumes(tmp_path / "v.csv") == [Volume("p1_f1", ("s0", "s1"), (10.0, 1.5, 1.25))]
    for line, message in (
        (
            "p1,f1,10,x,1.25,s0\n",
            "line 2: could not convert string to float: 'x'; spacings are in mm",
        ),
        ("p1,f1,10,0,1.25,s0\n", r"line 2: spacing \(10.0, 0.0, 1.25\) mm must be positive"),
        ("p1,f1,10,1,1,\n", "line 2 has no 'slices'"),
    ):
        (tmp_path / "v.csv").write_text(HEADER + line)
        with pytest.raises(DataError, match=rf"v\.csv: {message}"):
            read_volumes(tmp_path / "v.csv")
    with pytest.raises(DataError, match="no such file"):
        read_volumes(tmp_path / "none.csv")

import csv
from pathlib import Path

import numpy as np
import pytest

from scribbleseg.evaluation import ImageScores, Report, write_image_csv


def image(hits: list[int], misses: int, hd95: list[float] | None = None) -> ImageScores:
    """Two classes; ``misses`` pixels of the first were taken for the second."""
    counts = np.diag(hits)
    counts[0, 1] = misses
    return ImageScores.from_counts(counts, None if hd95 is None else np.array(hd95))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_worst_first_and_undefined_is_empty(tmp_path: Path) -> None:
    images = {
        "good, isn't it": image([8, 0], 0),
        "void": image([0, 0], 0),
        "b": image([6, 2], 2),
        "a": image([6, 2], 2),
    }
    report = Report(4, ("sky", "a,b"), np.zeros((2, 2), np.int64), None, images)
    write_image_csv(tmp_path / "sub/x.csv", report)
    table = rows(tmp_path / "sub/x.csv")
    assert [row["image"] for row in table] == ["a", "b", "good, isn't it", "void"]
    assert table[0] == {
        "image": "a",
        "pixels": "10",
        "miou": "0.625",  # mean of 6/8 and 2/4
        "pixel_accuracy": "0.8",
        "iou/sky": "0.75",
        "iou/a,b": "0.5",
        "dice/sky": "0.857143",
        "dice/a,b": "0.666667",
    }
    assert table[2]["iou/a,b"] == ""
    assert set(list(table[3].values())[2:]) == {""}
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["x.csv"]


def test_hd95_has_columns_where_it_was_asked_for(tmp_path: Path) -> None:
    images = {"a": image([6, 2], 2, [1.5, np.nan])}
    report = Report(1, ("x", "y"), np.zeros((2, 2), np.int64), None, images)
    write_image_csv(tmp_path / "x.csv", report)
    (row,) = rows(tmp_path / "x.csv")
    assert (row["hd95_px/x"], row["hd95_px/y"]) == ("1.5", "")


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("old")
    report = Report(1, ("x",), np.zeros((1, 1), np.int64), None, {"a": None})  # type: ignore[dict-item]
    with pytest.raises(AttributeError):
        write_image_csv(tmp_path / "x.csv", report)
    assert (tmp_path / "x.csv").read_text() == "old"

from pathlib import Path

import numpy as np
import pytest

from scribbleseg.annotation import write_label
from scribbleseg.errors import DataError
from scribbleseg.evaluation.label_pairs import find_pairs, number_of_classes, predicted_names


def test_names_at_any_depth(tmp_path: Path) -> None:
    for name in ("p/b.png", "p/sub/a.png", "m/b.png", "m/sub/a.png"):
        write_label(tmp_path / name, np.zeros((2, 2), np.uint8))
    write_label(tmp_path / "p/b.confidence.png", np.zeros((2, 2), np.uint8))
    names = predicted_names(tmp_path / "p")
    assert names == ["b", "sub/a"]
    assert find_pairs(tmp_path / "p", tmp_path / "m", names)[1] == (
        "sub/a",
        tmp_path / "p/sub/a.png",
        tmp_path / "m/sub/a.png",
    )
    with pytest.raises(DataError, match=r"p.c\.png: no prediction and 1 more"):
        find_pairs(tmp_path / "p", tmp_path / "m", ["b", "c", "d"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no PNGs in it"):
        predicted_names(tmp_path / "empty")


def test_the_largest_label_says_how_many_classes(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for path, values in zip(paths, ([0, 255], [4, 1], [255, 255]), strict=True):
        write_label(path, np.array([values], np.uint8))
    assert number_of_classes(paths) == 5
    assert number_of_classes(paths[2:]) == 1
    assert number_of_classes(paths, ignore_index=4) == 256
    paths[0].write_bytes(b"")
    with pytest.raises(DataError, match=r"0\.png: not a picture"):
        number_of_classes(paths)
    assert number_of_classes(paths, skip_unreadable=True) == 5
    with pytest.raises(DataError, match="no such file"):
        number_of_classes([tmp_path / "none.png"], skip_unreadable=True)

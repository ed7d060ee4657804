import json
from pathlib import Path

import numpy as np
import pytest

from scribbleseg.data import read_tags, tags_from_label
from scribbleseg.errors import DataError

NAMES = ("background", "cat", "traffic light")


def test_tags_of_a_label_always_hold_the_background() -> None:
    assert tags_from_label(np.full((2, 2), 255, np.uint8), num_classes=3).tolist() == [1, 0, 0]
    assert tags_from_label(np.array([[2, 65535]], np.uint16), num_classes=3).tolist() == [1, 0, 1]


def test_both_formats(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cell 1\ttraffic light, cat\ncell 2\t\ncell 3\t2\n")
    (tmp_path / "a.json").write_text(
        json.dumps({"cell 1": ["traffic light", "cat"], "cell 2": [], "cell 3": [2]})
    )
    for name in ("a.txt", "a.json"):
        tags = read_tags(tmp_path / name, NAMES)
        assert {key: value.tolist() for key, value in tags.items()} == {
            "cell 1": [1, 1, 1],
            "cell 2": [1, 0, 0],
            "cell 3": [1, 0, 1],
        }


def test_unknown_tags_and_bad_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\tdog\n")
    with pytest.raises(
        DataError, match=r"a\.txt: image 'x' has tag 'dog'; classes are background, cat"
    ):
        read_tags(tmp_path / "a.txt", NAMES)
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(DataError, match=r"b\.json: line 1 is not valid JSON"):
        read_tags(tmp_path / "b.json", NAMES)
    with pytest.raises(DataError, match=r"c\.txt: no such file"):
        read_tags(tmp_path / "c.txt", NAMES)

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scribbleseg.annotation.stated_value import (
    agreed_size,
    checked_size,
    expect,
    number,
    shown,
    whole_number,
)
from scribbleseg.errors import DataError


def test_values_are_shown_in_few_characters() -> None:
    for value in ("x" * 10**6, [[[[[[[[1] * 99]]]]]]] * 99, {str(key): key for key in range(999)}):
        assert len(shown(value)) < 200


def test_what_is_expected_is_named() -> None:
    assert expect("a.json: shapes", {"b": 1}, dict) == {"b": 1}
    with pytest.raises(DataError, match=r"^a\.json: shapes is None; expected a list$"):
        expect("a.json: shapes", None, list)
    with pytest.raises(DataError, match=r"^a\.json: label is 3; expected a text$"):
        expect("a.json: label", 3, str)
    with pytest.raises(DataError, match=r"^a\.json is \[1\]; expected key: value pairs$"):
        expect("a.json", [1], dict)


def test_numbers_are_read_from_texts_too() -> None:
    assert [number("a", value) for value in (3, "3", " 2.5e1 ", -0.0)] == [3, 3, 25, 0]
    assert whole_number("a", "7", 0, 9) == 7
    assert whole_number("a", 7.0, 0, 9) == 7


@pytest.mark.parametrize("value", [None, "", "x", "nan", float("inf"), "1e999", 10**400, [], True])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match=r"^a\.xml: left is .*; expected a number$"):
        number("a.xml: left", value)


@pytest.mark.parametrize("value", [1.5, -1, "10", 1e300])
def test_numbers_outside_of_their_limits_are_refused(value: Any) -> None:
    with pytest.raises(DataError, match=r"^a\.xml: left is .*; expected a whole number in 0\.\.9$"):
        whole_number("a.xml: left", value, 0, 9)


def test_sizes_are_bounded() -> None:
    assert checked_size("a", "3", 4) == (3, 4)
    assert checked_size("a", 1, 178_956_970) == (1, 178_956_970)
    with pytest.raises(DataError, match=r"^a: 100000x2000 pixels; at most 178956970"):
        checked_size("a", 2000, 100_000)
    with pytest.raises(DataError, match=r"^a: height is 0; expected a whole number in 1\.\."):
        checked_size("a", 0, 4)
    with pytest.raises(DataError, match=r"^a: width is None; expected a number"):
        checked_size("a", 3, None)


def test_picture_and_annotation_agree_on_the_size(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(path)
    assert agreed_size("a", (4, 6), path) == (4, 6)
    assert agreed_size("a", None, path) == (4, 6)
    assert agreed_size("a", (4, 6), None) == (4, 6)
    with pytest.raises(DataError, match=r"^a: drawn on 5x4 pixels, but .*a\.png has 6x4$"):
        agreed_size("a", (4, 5), path)
    with pytest.raises(DataError, match=r"has 6x4; was the picture turned later\?$"):
        agreed_size("a", (6, 4), path)
    with pytest.raises(DataError, match=r"says no size, and its picture was not found"):
        agreed_size("a", None, None)

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scribbleseg.annotation import stroke
from scribbleseg.annotation.stroke import check_points
from scribbleseg.errors import DataError


def test_points_become_float64_pairs() -> None:
    points = check_points("a.json: stroke 1", [[1, 2], [3.5, -4]])
    assert points.dtype == np.float64
    assert points.tolist() == [[1, 2], [3.5, -4]]


@pytest.mark.parametrize(
    "points",
    [
        [],
        [1, 2],
        [[1, 2, 3]],
        [[1, 2], [3]],
        [[1, "x"]],
        [{"x": 1, "y": 2}],
        [[1, []]],
        "abc",
        [[[1, 2]]],
        [[1, 10**400]],
    ],
)
def test_what_is_no_pair_of_numbers_is_refused(points: Any) -> None:
    with pytest.raises(DataError, match=r"a\.json: stroke 1: points are not pairs of numbers"):
        check_points("a.json: stroke 1", points)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e8])
def test_the_impossible_point_is_named(value: float) -> None:
    with pytest.raises(DataError, match=r"stroke 1: point \(3\.0, .*\) is no place in a picture"):
        check_points("a.json: stroke 1", [[1, 2], [3, value], [5, 6]])


def test_too_many_points_are_refused_before_they_are_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stroke, "MOST_POINTS", 3)
    assert len(check_points("a", [[0, 0]] * 3)) == 3
    with pytest.raises(DataError, match="4 points; at most 3"):
        check_points("a", [[0, 0]] * 4)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(points=st.lists(JSON, max_size=5))
def test_whatever_a_file_holds_becomes_points_or_a_data_error(points: list[Any]) -> None:
    try:
        array = check_points("a", points)
    except DataError:
        return
    assert array.shape == (len(points), 2)
    assert np.isfinite(array).all()

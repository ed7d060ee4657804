import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scribbleseg.annotation.polyline import deviate, part, polyline_length, smoothed

lines = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.just(2)),
    elements=st.integers(0, 40).map(float),
)


@settings(deadline=None)
@given(lines, st.floats(0, 1), st.floats(0, 1))
def test_a_part_has_its_share_of_the_length(points: np.ndarray, keep: float, place: float) -> None:
    before = points.copy()
    length = polyline_length(points)
    assert polyline_length(part(points, keep, place)) == pytest.approx(keep * length, abs=1e-6)
    np.testing.assert_array_equal(points, before)


def test_the_place_of_a_part() -> None:
    line = np.array([[0.0, 0], [10, 0]])
    assert part(line, 0.2, 0.0).tolist() == [[0, 0], [2, 0]]
    assert part(line, 0.2, 1.0).tolist() == [[8, 0], [10, 0]]
    assert part(line, 0.0).tolist() == [[5, 0]]
    assert part(line, 1.0) is line


def test_a_point_is_a_part_of_itself() -> None:
    point = np.array([[3.0, 4]])
    assert part(point, 0.0).tolist() == [[3, 4]]
    assert polyline_length(point) == 0


def test_smoothing_keeps_the_ends_and_rounds_a_corner() -> None:
    line = np.array([[0.0, 0], [20, 0], [40, 1], [40, 40]])
    curve = smoothed(line, 2.0)
    np.testing.assert_allclose(curve[[0, -1]], line[[0, -1]], atol=1e-6)
    turns = np.diff(curve, axis=0)
    angles = np.unwrap(np.arctan2(turns[:, 1], turns[:, 0]))
    assert np.abs(np.diff(angles)).max() < 0.3
    assert np.linalg.norm(curve - line[2], axis=1).min() < 1


def test_smoothing_straightens_steps() -> None:
    steps = np.repeat(np.arange(20.0), 2)
    stairs = np.stack([steps[1:], steps[:-1]], axis=1)
    np.testing.assert_allclose(smoothed(stairs, 1.0), stairs[[0, -1]], atol=1e-6)
    assert smoothed(stairs, 0.0) is stairs


def test_a_hand_deviates_by_its_scale() -> None:
    line = np.stack([np.arange(2000.0), np.zeros(2000)], axis=1)
    moved = deviate(line, 3.0, np.random.default_rng(0)) - line
    # Between two knots of unit variance lie points of variance 2/3 on average.
    assert moved.std() == pytest.approx(3 * np.sqrt(2 / 3), rel=0.2)
    assert np.abs(np.diff(moved, axis=0)).max() < 1.5
    np.testing.assert_array_equal(deviate(line, 0.0, np.random.default_rng(0)), line)


def test_a_short_line_is_shifted() -> None:
    line = np.array([[0.0, 0], [10, 0], [10, 5]])
    shift = deviate(line, 3.0, np.random.default_rng(0)) - line
    np.testing.assert_allclose(shift, np.repeat(shift[:1], 3, axis=0))
    assert np.abs(shift).max() > 0.1

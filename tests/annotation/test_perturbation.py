from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from scribbleseg.annotation import read_label
from scribbleseg.annotation.perturbation import Placement, perturb, perturb_strokes
from scribbleseg.annotation.polyline import polyline_length
from scribbleseg.annotation.stroke import Stroke
from scribbleseg.errors import ConfigError, DataError

EIGHT = np.ones((3, 3))

scribbles = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
    elements=st.sampled_from([0, 1, 255, 255]),
)


def drawn(width: int = 3) -> np.ndarray:
    """A straight stroke of 120 pixels, a loop of another class, and a curve."""
    label = np.full((160, 200), 255, np.uint8)
    lines = {
        1: [(20, 20), (140, 20)],
        0: [(150, 60), (150, 140), (80, 140), (80, 60), (150, 60)],
        2: [(10, 60), (30, 80), (15, 110), (50, 150)],
    }
    for index, points in lines.items():
        canvas = np.zeros(label.shape, np.uint8)
        cv2.polylines(canvas, [np.array(points)], False, 1)
        label[cv2.dilate(canvas, np.ones((width, width), np.uint8)) > 0] = index
    return label


def test_a_broad_stroke_with_holes_stays_in_one_piece() -> None:
    scribble = np.ones((11, 13), np.uint8)
    for row, column in ((0, 0), (2, 5), (4, 5), (5, 5), (6, 7), (9, 1), (9, 7)):
        scribble[row, column] = 0
    for seed in range(20):
        result = perturb(scribble, shrink=0.0, drop=0.5, seed=seed)
        assert ndimage.label(result == 1, EIGHT)[1] == 1


@settings(max_examples=60, deadline=None)
@given(
    scribbles,
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from(["random", "central"]),
)
def test_no_pixel_is_added_and_every_class_stays(
    scribble: np.ndarray, shrink: float, drop: float, placement: Placement
) -> None:
    before = scribble.copy()
    result = perturb(scribble, shrink=shrink, drop=drop, placement=placement)
    np.testing.assert_array_equal(scribble, before)
    left = result != 255
    np.testing.assert_array_equal(result[left], scribble[left])
    assert set(np.unique(result[left])) == set(np.unique(scribble[scribble != 255]))
    for index in (0, 1):
        strokes = ndimage.label(scribble == index, EIGHT)[0]
        assert ndimage.label(result == index, EIGHT)[1] <= strokes.max(initial=0)
    if (shrink, drop) == (1, 0):
        np.testing.assert_array_equal(result, scribble)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("keep", [0.5, 0.3, 0.1])
@pytest.mark.parametrize("placement", ["random", "central"])
def test_every_stroke_keeps_its_share_and_its_width(
    width: int, keep: float, placement: Placement
) -> None:
    scribble = drawn(width)
    result = perturb(scribble, shrink=keep, placement=placement, seed=2)
    for index, length in {1: 120, 0: 300, 2: 100}.items():
        stroke = result == index
        assert ndimage.label(stroke, EIGHT)[1] == 1
        kept = stroke.sum() / (scribble == index).sum()
        assert kept == pytest.approx(keep, abs=(width + 3) / length)
    columns = (result == 1).sum(axis=0)
    middle = np.flatnonzero(columns)[width:-width]
    assert set(columns[middle].tolist()) <= {width}


@pytest.mark.parametrize("width", [1, 3, 5])
def test_a_spot_is_as_wide_as_its_stroke(width: int) -> None:
    spots = perturb(drawn(width), shrink=0.0)
    rows, columns = np.nonzero(spots == 1)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (width, width)
    for index in (0, 2):  # the square brush of this drawing is wider where it runs aslant
        rows, columns = np.nonzero(spots == index)
        assert max(np.ptp(rows), np.ptp(columns)) < 1.5 * width
        assert len(rows) >= 0.6 * width**2


def test_a_stroke_without_points_stays_as_it_is() -> None:
    empty = Stroke("cat", np.zeros((0, 2)))
    assert perturb_strokes([empty], shrink=0.5)[0].points.shape == (0, 2)


def test_the_central_part_is_in_the_middle() -> None:
    columns = np.nonzero(perturb(drawn(), shrink=0.3, placement="central") == 1)[1]
    assert columns.mean() == pytest.approx(80, abs=1.5)


def test_the_random_part_lies_anywhere() -> None:
    """A line of 101 pixels of which 50 are kept: where they begin is even over 0..50."""
    scribble = np.full((3, 101), 255, np.uint8)
    scribble[1] = 4
    starts = [
        np.flatnonzero(perturb(scribble, shrink=0.5, seed=seed)[1] == 4)[0] for seed in range(250)
    ]
    counts, _ = np.histogram(starts, 5, (-0.5, 51.5))
    assert ((counts - 50) ** 2 / 50).sum() < 13.3  # 1 % of fair samples, 4 degrees of freedom


def test_parts_of_a_loop_lie_anywhere_on_it() -> None:
    scribble = np.where(drawn() == 0, 0, 255).astype(np.uint8)
    centers = []
    for seed in range(60):
        rows, columns = np.nonzero(perturb(scribble, shrink=0.1, seed=seed) == 0)
        centers.append(np.arctan2(rows.mean() - 100, columns.mean() - 115))
    counts, _ = np.histogram(centers, 4, (-np.pi, np.pi))
    assert counts.min() > 5


def test_drop_removes_whole_strokes_with_its_probability() -> None:
    scribble = np.full((40, 200), 255, np.uint8)
    scribble[2:38:6, ::5] = 1
    scribble[2, 2] = 2
    removed = []
    for seed in range(10):
        result = perturb(scribble, drop=0.3, seed=seed)
        assert result[2, 2] == 2
        removed.append(1 - (result == 1).sum() / (scribble == 1).sum())
    assert np.mean(removed) == pytest.approx(0.3, abs=0.03)


def test_classes_are_lost_only_when_allowed() -> None:
    scribble = drawn()
    assert set(np.unique(perturb(scribble, drop=1.0))) == {0, 1, 2, 255}
    assert (perturb(scribble, drop=1.0, allow_losing_classes=True) == 255).all()


def test_results_depend_on_seed_image_and_ratio_and_on_nothing_else() -> None:
    scribble = drawn()
    same = perturb(scribble, shrink=0.3, seed=1, image_id="a")
    assert same.tobytes() == perturb(scribble, shrink=0.3, seed=1, image_id="a").tobytes()
    assert (same != perturb(scribble, shrink=0.3, seed=2, image_id="a")).any()
    assert (same != perturb(scribble, shrink=0.3, seed=1, image_id="b")).any()
    alone = np.where(scribble == 2, 2, 255).astype(np.uint8)
    np.testing.assert_array_equal(perturb(alone, shrink=0.3, seed=1, image_id="a") == 2, same == 2)


def test_sixteen_bit_labels() -> None:
    eight = drawn()
    sixteen = np.where(eight == 255, 65535, eight.astype(np.uint16) + 255).astype(np.uint16)
    result = perturb(sixteen, shrink=0.5, drop=0.5, ignore_index=65535)
    assert result.dtype == np.uint16
    assert set(np.unique(result)) == {255, 256, 257, 65535}


def test_an_empty_scribble_stays_empty() -> None:
    empty = np.full((5, 6), 255, np.uint8)
    np.testing.assert_array_equal(perturb(empty, shrink=0.5, drop=0.5), empty)


@pytest.mark.data
def test_real_scribbles(data_root: Path) -> None:
    folder = data_root / "voc_sample/VOC2012/pascal_2012_scribble"
    for path in sorted(folder.glob("*.png")):
        scribble = read_label(path)
        sizes = [
            int((perturb(scribble, shrink=keep, image_id=path.stem) != 255).sum())
            for keep in (1, 0.5, 0.3, 0.1, 0)
        ]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[2] / sizes[0] == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shrink": 1.5}, r"shrink: 1\.5 is no share; expected 0\.\.1"),
        ({"drop": -1}, "drop: -1 is no share"),
        ({"placement": "left"}, "placement: 'left' is none of random, central"),
        ({"seed": -1}, "seed: -1"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        perturb(drawn(), **change)
    with pytest.raises(ConfigError, match=message):
        perturb_strokes([Stroke("cat", np.zeros((1, 2)))], **change)


def test_other_arrays_are_refused() -> None:
    with pytest.raises(DataError, match="2008_1: an array of shape"):
        perturb(np.zeros((2, 2), np.float32), image_id="2008_1")  # type: ignore[arg-type]


LINE = Stroke("cat", np.array([[0.0, 0], [30, 0], [30, 70]]), width=4.0)
LOOP = Stroke("dog", np.array([[0.0, 0], [40, 0], [40, 10], [0, 10]]), closed=True)
DOT = Stroke("cow", np.array([[5.0, 6]]))


@given(st.floats(0, 1), st.sampled_from(["random", "central"]), st.integers(0, 50))
def test_lines_keep_their_share(keep: float, placement: Placement, seed: int) -> None:
    line, loop, dot = perturb_strokes(
        [LINE, LOOP, DOT], shrink=keep, placement=placement, seed=seed
    )
    assert (line.class_name, line.width) == ("cat", 4.0)
    assert polyline_length(line.points) == pytest.approx(keep * 100, abs=1e-6)
    if keep < 1:
        assert not loop.closed
        assert polyline_length(loop.points) == pytest.approx(keep * 100, abs=1e-6)
    np.testing.assert_array_equal(dot.points, DOT.points)


def test_a_short_line_is_a_part_of_the_long_one() -> None:
    (line,) = perturb_strokes([LINE], shrink=0.5, seed=1)
    (loop,) = perturb_strokes([LOOP], shrink=0.7, seed=1)
    assert all(x == 30 or y == 0 for x, y in line.points)
    assert all(x in (0, 40) or y in (0, 10) for x, y in loop.points)


def test_a_loop_is_opened_anywhere() -> None:
    opened = [perturb_strokes([LOOP], shrink=0.1, seed=seed)[0].points[0] for seed in range(60)]
    assert {(x < 20, y < 5) for x, y in opened} == {(a, b) for a in (0, 1) for b in (0, 1)}
    (central,) = perturb_strokes([LOOP], shrink=0.1, placement="central")
    assert central.points.tolist() == [[0, 5], [0, 0], [5, 0]]


def test_dropping_lines() -> None:
    lines = [Stroke("cat", np.array([[0.0, 0], [number, 1]])) for number in range(400)]
    left = perturb_strokes([*lines, DOT], drop=0.25)
    assert len(left) == pytest.approx(301, abs=25)
    assert left[-1] is DOT
    assert list(left[:-1]) == [line for line in lines if line in left]
    assert perturb_strokes([DOT], drop=1.0, allow_losing_classes=True) == ()


def test_a_line_does_not_depend_on_the_others() -> None:
    (alone,) = perturb_strokes([LINE], shrink=0.5)
    np.testing.assert_array_equal(perturb_strokes([DOT, LINE], shrink=0.5)[1].points, alone.points)


def test_filled_areas_have_no_length() -> None:
    area = Stroke("cat", LOOP.points, closed=True, filled=True)
    with pytest.raises(DataError, match="a: an area of 'cat' is filled"):
        perturb_strokes([area], shrink=0.5, image_id="a")
    assert perturb_strokes([area], drop=0.5) == (area,)

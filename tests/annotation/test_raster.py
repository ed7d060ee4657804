import itertools
import math
import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from scribbleseg.annotation import raster as raster_module
from scribbleseg.annotation.raster import Raster, Rule, brush, filled, rasterise, unlabelled_value
from scribbleseg.annotation.stroke import Drawing, Patch, Stroke
from scribbleseg.errors import ConfigError, DataError

INDEX = {"background": 0, "cat": 1, "dog": 2}
RULES: tuple[Rule, ...] = ("reference-1px", "line-3px", "opencv")


def stroke(*points: tuple[float, float], name: str = "cat", **kind: object) -> Stroke:
    return Stroke(name, np.array(points, np.float64).reshape(-1, 2), **kind)  # type: ignore[arg-type]


def draw(
    size: tuple[int, int], *marks: Stroke | Patch, rule: Rule = "opencv", width: int = 0
) -> NDArray[np.uint8]:
    label = rasterise(Drawing("a", size, marks), INDEX, Raster(rule, width))
    assert label.dtype == np.uint8
    return label


def literal_reference(
    size: tuple[int, int], strokes: list[tuple[list[tuple[int, int]], int]]
) -> NDArray[np.uint8]:
    """The rule as the converter of BLPSeg states it, pixel by pixel."""
    height, width = size
    label = np.full(size, 255, np.uint8)
    for points, value in strokes:
        inside = [(min(max(y, 0), height - 1), min(max(x, 0), width - 1)) for x, y in points]
        for (r1, c1), (r2, c2) in itertools.pairwise(inside):
            m = max(abs(r2 - r1), abs(c2 - c1))
            if m > 1:
                for i in range(m):
                    row = math.trunc(r1 + ((r2 - r1) / m) * i)
                    label[row, math.trunc(c1 + ((c2 - c1) / m) * i)] = value
            label[r1, c1] = label[r2, c2] = value
    return label


COORDINATES = st.tuples(st.integers(-20, 320), st.integers(-20, 320))
STROKES = st.lists(
    st.tuples(st.lists(COORDINATES, max_size=6), st.sampled_from([0, 1, 2])), max_size=5
)


@settings(max_examples=80, deadline=None)
@given(size=st.tuples(st.integers(1, 300), st.integers(1, 300)), strokes=STROKES)
def test_the_reference_rule_is_that_of_the_literal_loop(
    size: tuple[int, int], strokes: list[tuple[list[tuple[int, int]], int]]
) -> None:
    names = list(INDEX)
    marks = [stroke(*points, name=names[value]) for points, value in strokes]
    np.testing.assert_array_equal(
        draw(size, *marks, rule="reference-1px"), literal_reference(size, strokes)
    )


def test_the_reference_rule_divides_first() -> None:
    # 49 * (1 / 49) is below 1 in double precision: one pixel of this line is a row higher.
    points = [(0, 0), (98, 2)]
    label = draw((3, 99), stroke(*points), rule="reference-1px")
    np.testing.assert_array_equal(label, literal_reference((3, 99), [(points, 1)]))
    exact = [(2 * column) // 98 for column in range(99)]
    assert [int(label[:, column].argmin()) for column in range(99)] != exact


def test_thin_lines_are_the_same_in_small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = [stroke((0, 0), (30, 11), (5, 40)), stroke((40, 0), (0, 40), name="dog")]
    whole = draw((41, 41), *marks, rule="reference-1px")
    monkeypatch.setattr(raster_module, "AT_ONCE", 7)
    np.testing.assert_array_equal(draw((41, 41), *marks, rule="reference-1px"), whole)


def test_thin_lines_that_would_take_minutes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster_module, "MOST_DRAWN", 50)
    with pytest.raises(DataError, match="a: strokes of 82 pixels; at most 50"):
        draw((41, 41), stroke((0, 0), (40, 0), (0, 40)), rule="reference-1px")


def test_the_reference_rule_draws_no_single_point_closes_and_fills_nothing() -> None:
    assert (draw((5, 5), stroke((2, 2)), rule="reference-1px") == 255).all()
    assert (draw((5, 5), stroke(), rule="reference-1px") == 255).all()
    triangle = stroke((0, 0), (4, 0), (4, 4), closed=True, filled=True)
    label = draw((5, 5), triangle, rule="reference-1px")
    assert (label == 1).sum() == 9  # two sides of 5 pixels that share one


@pytest.mark.parametrize("rule", RULES)
def test_later_marks_cover_earlier_ones(rule: Rule) -> None:
    line = (0, 4), (8, 4)
    patch = Patch("background", np.ones((2, 3), bool), row=4, column=0)
    label = draw((9, 9), stroke(*line), stroke(*line, name="dog"), patch, rule=rule)
    assert label[4].tolist() == [0, 0, 0, 2, 2, 2, 2, 2, 2]
    label = draw((9, 9), patch, stroke(*line, name="dog"), stroke(*line), rule=rule)
    assert label[4].tolist() == [1] * 9


@pytest.mark.parametrize("rule", RULES)
def test_marks_are_painted_over_a_copy_of_the_label(rule: Rule) -> None:
    given_label = np.full((3, 5), 2, np.uint8)
    drawing = Drawing("a", (3, 5), (stroke((0, 1), (1, 1)),), label=given_label)
    label = rasterise(drawing, INDEX, Raster(rule))
    assert label[1, 0] == 1
    assert label[1, 4] == 2
    assert (given_label == 2).all()


@pytest.mark.parametrize("rule", ["line-3px", "opencv"])
def test_a_line_of_three_pixels(rule: Rule) -> None:
    label = draw((5, 7), stroke((2, 2), (4, 2)), rule=rule)
    assert (label == 1).astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]


def test_line_3px_moves_points_to_the_border() -> None:
    label = draw((5, 5), stroke((-50, 2), (1, 2)), stroke((2, 90), (90, 90)), rule="line-3px")
    assert (label == 1).astype(int).tolist() == [
        [0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1],
    ]


@pytest.mark.parametrize("width", range(1, 10))
def test_a_dot_is_the_brush(width: int) -> None:
    label = draw((15, 15), stroke((7, 7)), width=width)
    shape = (label == 1).astype(np.uint8)
    rows, columns = np.nonzero(shape)
    assert shape[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].tolist() == (
        brush(width).tolist()
    )
    assert shape[7, 7] == 1
    assert abs(rows.mean() - 7) <= 0.5
    own = draw((15, 15), stroke((7, 7), width=width), width=1)
    np.testing.assert_array_equal(own, label)


@pytest.mark.parametrize("width", range(1, 10))
def test_a_straight_line_has_the_width_of_the_brush(width: int) -> None:
    label = draw((30, 40), stroke((8, 15), (30, 15)), stroke((20, 0), (20, 29)), width=width)
    assert (label[:, 12] == 1).sum() == width
    assert (label[25] == 1).sum() == width


def test_closed_lines_and_filled_areas() -> None:
    corners = (1, 1), (5, 1), (5, 4), (1, 4)
    line = draw((7, 8), stroke(*corners), width=1)
    assert (line == 1).sum() == 5 + 3 + 4
    loop = draw((7, 8), stroke(*corners, closed=True), width=1)
    assert (loop == 1).sum() == 5 + 5 + 2 + 2
    area = draw((7, 8), stroke(*corners, filled=True), width=9)
    assert list(zip(*np.nonzero(area == 1), strict=True)) == list(
        itertools.product(range(1, 4), range(1, 5))
    )
    assert (draw((7, 8), stroke(*corners[:2], filled=True), width=1) == 1).sum() == 5


POINT = st.tuples(st.floats(-60, 90), st.floats(-60, 90))


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(POINT, min_size=1, max_size=5),
    width=st.integers(1, 9),
    closed=st.booleans(),
)
@example(points=[(0.0, 3e-309), (42.0, 0.0)], width=1, closed=False)  # a slope that overflows
def test_a_line_is_all_that_is_near_it(
    points: list[tuple[float, float]], width: int, closed: bool
) -> None:
    label = draw((30, 40), stroke(*points, closed=closed), width=width)
    ends = [*points, points[0]] if closed and len(points) > 1 else points
    rows, columns = np.mgrid[:30, :40]
    distance = np.full((30, 40), np.inf)
    for (x1, y1), (x2, y2) in zip(ends, ends[1:] or ends, strict=False):
        length = (x2 - x1) ** 2 + (y2 - y1) ** 2
        along = ((columns - x1) * (x2 - x1) + (rows - y1) * (y2 - y1)) / (length or 1)
        share = np.clip(along, 0, 1)
        to_x, to_y = x1 + share * (x2 - x1), y1 + share * (y2 - y1)
        distance = np.minimum(distance, np.hypot(columns - to_x, rows - to_y))
    # OpenCV's lines are up to 1.3 pixels off, an even brush half a pixel.
    assert (label[distance < width / 2 - 2] == 1).all()
    assert (label[distance > width / 2 + 2] == 255).all()


def literal_area(rings: list[list[tuple[float, float]]], size: tuple[int, int]) -> Any:
    """The centres in an odd number of rings, one by one in exact numbers."""
    inside = np.zeros(size, bool)
    for ring in rings:
        corners = [(Fraction(x), Fraction(y)) for x, y in ring]
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
            for row in range(size[0]):
                if (y1 <= row) != (y2 <= row):
                    crossing = x1 + (row - y1) * (x2 - x1) / (y2 - y1)
                    inside[row] ^= [column >= crossing for column in range(size[1])]
    return inside


SIXTEENTHS = st.tuples(st.integers(-160, 400), st.integers(-160, 400)).map(
    lambda point: (point[0] / 16, point[1] / 16)
)
RING = st.lists(SIXTEENTHS, min_size=3, max_size=7)
FRAME = [(-10.0, -10.0), (25.0, -10.0), (25.0, 25.0), (-10.0, 25.0)]


@settings(max_examples=80, deadline=None)
@given(
    rings=RING.map(lambda ring: [ring])
    | st.lists(RING, max_size=2).map(lambda holes: [FRAME, *holes])
)
def test_an_area_is_the_pixels_whose_centres_lie_in_it(
    rings: list[list[tuple[float, float]]],
) -> None:
    expected = literal_area(rings, (15, 17))
    patch = filled("a", "cat", [np.array(ring) for ring in rings], (15, 17))
    if patch is None:
        assert not expected.any()
    else:
        np.testing.assert_array_equal(draw((15, 17), patch) == 1, expected)


@settings(max_examples=40, deadline=None)
@given(points=RING, rule=st.sampled_from(RULES[1:]))
def test_a_filled_stroke_is_its_area_under_every_rule_that_fills(
    points: list[tuple[float, float]], rule: Rule
) -> None:
    expected = literal_area([points], (25, 25))
    if expected.any():
        np.testing.assert_array_equal(
            draw((25, 25), stroke(*points, filled=True), rule=rule) == 1, expected
        )


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # pycocotools 2.0.11
@settings(max_examples=60, deadline=None)
@given(
    columns=st.tuples(st.integers(0, 20), st.integers(1, 20)),
    rows=st.tuples(st.integers(0, 15), st.integers(1, 15)),
)
def test_rectangles_are_those_of_coco(columns: tuple[int, int], rows: tuple[int, int]) -> None:
    (left, width), (top, height) = columns, rows
    right, bottom = left + width, top + height
    ring = [(left, top), (right, top), (right, bottom), (left, bottom)]
    theirs = coco.decode(coco.frPyObjects([list(itertools.chain(*ring))], 30, 40))[..., 0]
    points = [(x - 0.5, y - 0.5) for x, y in ring]  # COCO counts from the corner
    ours = draw((30, 40), stroke(*points, filled=True)) == 1
    np.testing.assert_array_equal(ours, theirs == 1)
    assert ours.sum() == width * height


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # pycocotools 2.0.11
def test_polygons_are_those_of_coco_up_to_their_edges() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        ring = rng.uniform(-5, 65, (rng.integers(3, 9), 2))
        theirs = coco.decode(coco.frPyObjects([ring.ravel().tolist()], 60, 60))[..., 0] == 1
        ours = draw((60, 60), stroke(*(ring - 0.5), filled=True)) == 1
        length = np.hypot(*(ring - np.roll(ring, 1, axis=0)).T).sum()
        assert (ours != theirs).sum() <= length


@settings(max_examples=60, deadline=None)
@given(points=st.lists(POINT, min_size=4, max_size=4))
def test_areas_that_share_an_edge_share_no_pixel_and_leave_none(
    points: list[tuple[float, float]],
) -> None:
    a, b, c, d = (np.array(point) for point in points)
    halves = [filled("a", "cat", [np.array(ring)], (30, 40)) for ring in ([a, b, c], [c, d, a])]
    together = filled("a", "cat", [np.array([a, b, c, d])], (30, 40))
    painted = [
        draw((30, 40), patch) == 1 if patch else np.zeros((30, 40), bool) for patch in halves
    ]
    whole = draw((30, 40), together) == 1 if together else np.zeros((30, 40), bool)
    np.testing.assert_array_equal(painted[0] ^ painted[1], whole)


@pytest.mark.parametrize("rule", RULES[1:])
def test_an_area_too_thin_to_hold_a_centre_is_a_thin_line(rule: Rule) -> None:
    thin = [(2.0, 3.1), (7.0, 3.1), (7.0, 3.4), (2.0, 3.4)]
    label = draw((9, 9), stroke(*thin, filled=True), rule=rule, width=3)
    assert np.argwhere(label == 1).tolist() == [[3, column] for column in range(2, 8)]
    outside = [(x + 20, y) for x, y in thin]
    assert (draw((9, 9), stroke(*outside, filled=True), rule=rule) == 255).all()
    # It reaches into the picture by less than half a pixel, but is not thin.
    beside = [(-9.0, 1.0), (-0.4, 1.0), (-0.4, 5.0), (-9.0, 5.0)]
    assert (draw((9, 9), stroke(*beside, filled=True), rule=rule) == 255).all()


def test_areas_that_would_take_minutes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster_module, "MOST_CROSSED", 50)
    with pytest.raises(DataError, match="a: the edges of an area cross 80 rows of pixels; at most"):
        draw((41, 41), stroke((0, 0), (40, 0), (0, 40), filled=True))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("filled", [False, True])
def test_points_far_outside_cost_nothing(rule: Rule, filled: bool) -> None:
    points = [(5.0, 5.0), (1e7, 6.0), (-1e7, -1e7), (3.0, 1e7)]
    tracemalloc.start()
    label = draw((40, 50), stroke(*points, filled=filled), rule=rule)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6
    assert label[5, 5] == 1
    assert (draw((40, 50), stroke((-1e7, 5.0), (-1e3, 9.0)), width=9) == 255).all()


@settings(max_examples=60, deadline=None)
@given(
    row=st.integers(-9, 9),
    column=st.integers(-9, 9),
    height=st.integers(0, 8),
    width=st.integers(0, 8),
)
def test_patches_are_cut_at_the_borders(row: int, column: int, height: int, width: int) -> None:
    pixels = np.random.default_rng(0).random((height, width)) < 0.7
    label = draw((6, 5), Patch("dog", pixels, row, column))
    large = np.zeros((40, 40), bool)
    large[15 + row : 15 + row + height, 15 + column : 15 + column + width] = pixels
    np.testing.assert_array_equal(label == 2, large[15:21, 15:20])


@pytest.mark.parametrize("rule", RULES)
def test_more_than_255_classes_need_16_bits(rule: Rule) -> None:
    index = {str(number): number for number in range(300)}
    drawing = Drawing("a", (3, 3), (stroke((0, 1), (2, 1), name="280"),))
    label = rasterise(drawing, index, Raster(rule))
    assert label.dtype == np.uint16
    assert label[1].tolist() == [280] * 3
    assert draw((1, 1)).tolist() == [[255]]
    assert rasterise(Drawing("a", (1, 1)), index, Raster(rule)).tolist() == [[65535]]
    assert (unlabelled_value(255), unlabelled_value(256)) == (255, 65535)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(DataError, match="a: class 'cow' is unknown; classes are background, cat"):
        draw((3, 3), stroke((0, 0), (1, 1), name="cow"))


def test_rules_and_widths_are_checked() -> None:
    assert Raster().as_dict() == {"rule": "opencv", "width": 3}
    assert (Raster("reference-1px").width, Raster("line-3px", 3).width) == (1, 3)
    with pytest.raises(ConfigError, match=r"width: 2 is not a width of line-3px \(3\)"):
        Raster("line-3px", 2)
    with pytest.raises(ConfigError, match=r"width: 256 .*1\.\.255"):
        Raster("opencv", 256)
    with pytest.raises(ConfigError, match="rule: 'round' is none of the raster rules"):
        Raster("round")  # type: ignore[arg-type]

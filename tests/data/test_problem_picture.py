import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from scribbleseg.annotation.stroke import Stroke
from scribbleseg.data.finding import Kind, Problem, Scene
from scribbleseg.data.problem_picture import (
    ALARM,
    FRAME,
    LINE_LENGTH,
    LONG_SIDE,
    MARGIN,
    MOST_ZOOM,
    PANELS,
    draw_problem,
)

NAMES = ("background", "disc")
PALETTE = ((0, 0, 0), (0, 200, 0))
ZOOM = MOST_ZOOM  # of the pictures of these tests, which are small


def scene(
    label: NDArray[np.uint8], picture: NDArray[np.uint8] | None = None, **more: object
) -> Scene:
    if picture is None:
        picture = np.full(label.shape, 100, np.uint8)
    return Scene(picture, label, NAMES, PALETTE, **more)  # type: ignore[arg-type]


def panel(kind: Kind, shown: Scene) -> NDArray[np.uint8]:
    """What is drawn, without margin."""
    page = draw_problem(Problem(kind, "a", "what is wrong"), shown)
    return page[MARGIN:, MARGIN:]


def middle(drawn: NDArray[np.uint8], row: int, column: int) -> tuple[int, ...]:
    """Colour in the middle of a pixel of the image."""
    place = ZOOM * row + ZOOM // 2, ZOOM * column + ZOOM // 2
    return tuple(drawn[place].tolist())


def has(drawn: NDArray[np.uint8], color: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray((drawn == color).all(axis=-1))


def empty(height: int = 20, width: int = 30) -> NDArray[np.uint8]:
    return np.full((height, width), 255, np.uint8)


def test_pixels_that_contradict_the_mask_have_a_line_around_them() -> None:
    label, mask = empty(), np.zeros((20, 30), np.uint8)
    label[5, 5:10] = 1  # wrong
    label[15, 5:10] = 0  # right
    drawn = panel("contradiction", scene(label, mask=mask))[: 20 * ZOOM, : 30 * ZOOM]
    rows, columns = np.nonzero(has(drawn, ALARM))
    assert (rows.min() // ZOOM, rows.max() // ZOOM) == (4, 6)
    assert (columns.min() // ZOOM, columns.max() // ZOOM) == (4, 10)
    red, green, blue = middle(drawn, 5, 7)
    assert green > 150 > 50 > max(red, blue)  # in the colour of its class
    assert min(middle(drawn, 15, 7)) > 220  # black strokes are shown white


def test_a_contradiction_without_pixels_and_one_with_two_sides() -> None:
    label, mask = empty(1, 4), np.array([[0, 1, 255, 9]], np.uint8)
    label[0] = 1, 0, 0, 1
    plain, two = (
        draw_problem(Problem("contradiction", "a", "a"), scene(one, mask=mask))
        for one in (empty(1, 4), label)
    )
    assert two.shape[0] > plain.shape[0] + 2 * 14  # a line for each pair of classes


def test_values_that_are_no_class_are_bright() -> None:
    label = empty()
    label[5, 5:10] = 9
    label[8, 5:10] = 1
    drawn = panel("values", scene(label))
    assert middle(drawn, 5, 7) == ALARM
    assert middle(drawn, 8, 7) != ALARM
    assert not has(drawn[12 * ZOOM : 20 * ZOOM], ALARM).any()


def test_frames_of_two_sizes_are_to_scale() -> None:
    picture = np.full((10, 20, 3), 100, np.uint8)
    drawn = panel("size", scene(empty(20, 10), picture))[: 20 * ZOOM, : 20 * ZOOM]
    of_picture, of_label = (np.nonzero(has(drawn, color)) for color in (FRAME, ALARM))
    assert abs(of_picture[0].max() + 1 - 10 * ZOOM) <= 3
    assert of_picture[1].max() + 1 == 20 * ZOOM
    assert of_label[0].max() + 1 == 20 * ZOOM
    assert abs(of_label[1].max() + 1 - 10 * ZOOM) <= 3


def test_a_picture_in_which_nothing_is_drawn_is_shown_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    drawn = panel("empty", scene(empty(), picture))
    assert all(
        middle(drawn, row, column) == tuple(picture[row, column].tolist())
        for row in range(20)
        for column in range(30)
    )


def test_points_outside_are_ringed_and_far_ones_pointed_at() -> None:
    points = np.array([[2.0, 10], [34, 10], [5000, 10]])
    stroke = Stroke("disc", points)
    drawn = panel("outside", scene(empty(), strokes=(stroke,), marked=points[1:]))
    frame = np.nonzero(has(drawn, FRAME)[: 20 * ZOOM])[1]
    alarms = np.unique(np.nonzero(has(drawn[: 20 * ZOOM], ALARM))[1])
    width = frame.max() - frame.min() + 1
    assert 0.6 < width / alarms.max() < 0.7  # half of the longer side is shown around the picture
    near, far = np.split(alarms, [np.argmax(np.diff(alarms)) + 1])
    ring = (near.min() + near.max()) / 2
    assert ring == pytest.approx(frame.min() + width * 34.5 / 30, abs=2)
    assert far.min() - near.max() > 50


def test_strokes_of_one_point_are_ringed() -> None:
    dot = Stroke("disc", np.array([[20.0, 10.0]]))
    drawn = panel("dots", scene(empty(), strokes=(dot,), marked=dot.points))
    rows, columns = np.nonzero(has(drawn, ALARM)[: 20 * ZOOM])
    frame = np.nonzero(has(drawn, FRAME)[: 20 * ZOOM])
    scale = (frame[1].max() - frame[1].min() + 1) / 30
    assert columns.mean() == pytest.approx(frame[1].min() + 20.5 * scale, abs=1.5)
    assert rows.mean() == pytest.approx(frame[0].min() + 10.5 * scale, abs=1.5)


def test_thin_lines_of_large_pictures_are_not_lost() -> None:
    label = empty(1500, 4000)
    label[700, 100:3900] = 9
    drawn = panel("values", scene(label))
    bright = has(drawn, ALARM)[: LONG_SIDE * 1500 // 4000]
    assert bright.any(axis=0).sum() >= 0.94 * LONG_SIDE
    assert drawn.shape[1] == LONG_SIDE + MARGIN


def test_text_is_wrapped_and_takes_any_file_name() -> None:
    shown = scene(empty())
    short = draw_problem(Problem("empty", "a", "a"), shown)
    long = draw_problem(Problem("empty", "a", "/a" * 200), shown)
    odd = draw_problem(Problem("empty", "\udcff/ß\n", ""), shown)
    assert long.shape[0] >= short.shape[0] + 4 * 14
    assert short.shape[1] == long.shape[1] == LINE_LENGTH + 2 * MARGIN
    assert odd.shape == short.shape


def test_without_a_picture_of_the_label_s_size_the_ground_is_grey() -> None:
    label = empty()
    label[5, 5] = 9
    for picture in (None, np.zeros((3, 3), np.uint8)):
        drawn = draw_problem(Problem("values", "a", "a"), Scene(picture, label, NAMES, PALETTE))[
            MARGIN:, MARGIN:
        ]
        assert middle(drawn, 5, 5) == ALARM
        assert len(set(middle(drawn, 15, 15))) == 1


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(PANELS)),
    height=st.integers(1, 70),
    width=st.one_of(st.integers(1, 70), st.just(2500)),
    seed=st.integers(0, 99),
    grey=st.booleans(),
)
def test_every_scene_can_be_drawn_and_stays_what_it_is(
    kind: Kind, height: int, width: int, seed: int, grey: bool
) -> None:
    rng = np.random.default_rng(seed)
    label, mask = rng.choice(np.array([0, 1, 9, 255], np.uint8), (2, height, width))
    picture = rng.integers(0, 255, (height, width) if grey else (height, width, 3), np.uint8)
    if kind == "size":
        picture = picture[: height // 2 + 1]
    points = rng.normal(0, 10.0 ** rng.integers(0, 8), (5, 2))
    stroke = Stroke("disc", points, closed=bool(rng.integers(2)))
    shown = scene(label, picture, mask=mask, strokes=(stroke,), marked=points[2:])
    arrays = (label, mask, picture, points)
    before = [array.copy() for array in arrays]
    page = draw_problem(Problem(kind, "a", "b"), shown)
    assert page.dtype == np.uint8
    assert page.shape[1] <= LONG_SIDE + 2 * MARGIN
    for array, was in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, was)

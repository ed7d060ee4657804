from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.imported import classes_of

from scribbleseg.annotation import marks as module
from scribbleseg.annotation.formats import Options
from scribbleseg.annotation.marks import Marks, class_masks
from scribbleseg.annotation.raster import Raster, rasterise
from scribbleseg.annotation.run_length import mask_runs
from scribbleseg.errors import DataError

CLASSES = classes_of("background", "cell")


def marks(size: tuple[int, int] = (6, 8)) -> Marks:
    return Marks(size, Options(CLASSES))


def painted(collected: Marks) -> NDArray[np.bool_]:
    drawing = collected.drawing("a", None)
    return rasterise(drawing, CLASSES.index, Raster("opencv", 1)) == 1


def pixels(collected: Marks) -> list[tuple[int, int]]:
    return list(zip(*(index.tolist() for index in np.nonzero(painted(collected))), strict=True))


def test_the_corner_of_the_tools_is_half_a_pixel_from_the_centre() -> None:
    drawn = marks()
    drawn.line("a", "cell", [[0.5, 0.5], [2.5, 0.5]])
    drawn.dots("a", "cell", [[7.9, 5.9], [0.1, 5.1]])
    assert pixels(drawn) == [(0, 0), (0, 1), (0, 2), (5, 0), (5, 7)]
    assert drawn.drawing("a", None).remarks == ()


def test_a_box_is_the_pixels_whose_centre_is_in_it() -> None:
    drawn = marks()
    drawn.box("a", "cell", 1, 2, 3, 4)
    assert pixels(drawn) == [(2, 1), (2, 2), (3, 1), (3, 2)]
    drawn = marks()
    drawn.box("a", "cell", 3.4, 2.6, 4.4, 1.6)  # any two corners
    assert pixels(drawn) == [(2, 3)]


def test_a_box_that_reaches_outside_is_cut_off() -> None:
    drawn = marks((3, 3))
    drawn.box("a", "cell", -1e6, -2, 1, 1e7)
    assert pixels(drawn) == [(0, 0), (1, 0), (2, 0)]
    drawn.box("a", "cell", 5, 5, 9, 9)
    assert len(drawn.marks) == 1
    assert drawn.drawing("a", None).remarks == ("strokes reach outside the picture",)


def test_a_box_is_turned_clockwise() -> None:
    drawn = marks((20, 20))
    drawn.box("a", "cell", 10, 10, 18, 12, degrees=90, pivot=(10, 10))
    assert pixels(drawn) == [(row, column) for row in range(10, 18) for column in (8, 9)]


@pytest.mark.parametrize(("radii", "degrees"), [((30, 12), 0), ((12, 30), 90), ((30, 12), -180)])
def test_an_ellipse_is_where_its_equation_says(radii: tuple[int, int], degrees: float) -> None:
    drawn = marks((60, 90))
    drawn.ellipse("a", "cell", (45, 30), radii, degrees)
    row, column = np.mgrid[:60, :90] + 0.5
    distance = np.hypot((column - 45) / 30, (row - 30) / 12)
    assert painted(drawn)[distance < 0.9].all()
    assert not painted(drawn)[distance > 1.1].any()


def test_a_polygon_has_holes() -> None:
    drawn = marks((20, 20))
    outer, hole = [[2, 2], [18, 2], [18, 18], [2, 18]], [[6, 6], [14, 6], [14, 14], [6, 14]]
    drawn.area("a", "cell", [outer, hole])
    expected = np.zeros((20, 20), bool)
    expected[2:18, 2:18] = True
    expected[6:14, 6:14] = False
    np.testing.assert_array_equal(painted(drawn), expected)
    whole = marks((20, 20))
    whole.area("a", "cell", [outer])
    expected[6:14, 6:14] = True
    np.testing.assert_array_equal(painted(whole), expected)


def test_a_polygon_that_its_holes_leave_thin_is_a_thin_line() -> None:
    drawn = marks()
    outer = [[1.6, 1.6], [5.4, 1.6], [5.4, 4.4], [1.6, 4.4]]
    hole = [[2.1, 2.1], [4.9, 2.1], [4.9, 3.9], [2.1, 3.9]]
    drawn.area("a", "cell", [outer, hole])
    edges = {(row, column) for row in range(1, 5) for column in range(1, 6)}
    assert pixels(drawn) == sorted(edges - {(r, c) for r in (2, 3) for c in (2, 3, 4)})


def test_a_polygon_with_holes_far_outside_costs_nothing() -> None:
    drawn = marks((3, 3))
    far, hole = [[-1e7, -1e7], [1e7, -1e7], [1e7, 1e7], [-1e7, 1e7]], [[1, 1], [2, 1], [2, 2]]
    drawn.area("a", "cell", [far, hole])
    drawn.area("a", "cell", [[[5, 5], [9, 5], [9, 9]], hole])
    inside = np.ones((3, 3), bool)
    inside[1, 1] = False
    np.testing.assert_array_equal(painted(drawn), inside)
    assert len(drawn.marks) == 1
    with pytest.raises(DataError, match="a polygon without points"):
        drawn.area("a", "cell", [])


@given(st.data())
@settings(max_examples=60)
def test_masks_lie_where_they_say(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 8))
    row, column = data.draw(st.integers(0, 6 - height)), data.draw(st.integers(0, 8 - width))
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits).reshape(height, width)
    expected = np.zeros((6, 8), bool)
    expected[row : row + height, column : column + width] = mask
    for transposed in (False, True):
        drawn = marks()
        runs = mask_runs(mask.T if transposed else mask)
        drawn.mask("a", "cell", runs, height, width, row=row, column=column, transposed=transposed)
        np.testing.assert_array_equal(painted(drawn), expected)


def test_masks_outside_of_the_picture_are_refused() -> None:
    with pytest.raises(DataError, match=r"^a: mask of 2x1 pixels at x=7, y=0 in a picture of 8x6"):
        marks().mask("a", "cell", np.array([2]), 1, 2, column=7)
    with pytest.raises(DataError, match=r"^a: mask of 2x9999999999 pixels at x=0, y=0"):
        marks().mask("a", "cell", np.array([2]), 9_999_999_999, 2)


def test_masks_of_one_picture_fit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAINTED", 50)
    drawn = marks()
    drawn.patch("a", "cell", np.ones((5, 5), bool), 0, 0)
    drawn.patch("a", "cell", np.ones((5, 5), bool), 0, 0)
    with pytest.raises(DataError, match="a: the masks of one picture are more than 50 pixels"):
        drawn.patch("a", "cell", np.ones((1, 1), bool), 0, 0)


def test_points_of_one_picture_fit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_POINTS", 5)
    drawn = marks()
    drawn.dots("a", "cell", [[1, 1]] * 5)
    with pytest.raises(DataError, match="a: more than 5 points in one picture"):
        drawn.line("a", "cell", [[1, 1]])


@pytest.mark.parametrize("points", [None, 3, "ab", {}, [], [1], [[1, 2, 3]], [[1, float("nan")]]])
def test_what_are_no_points_is_refused(points: Any) -> None:
    for add in (marks().line, marks().dots):
        with pytest.raises(DataError, match=r"^a: "):
            add("a", "cell", points)
    for rings in ([points], [points, points]):
        with pytest.raises(DataError, match=r"^a: "):
            marks().area("a", "cell", rings)


def test_remarks_say_what_was_left_out() -> None:
    drawn = Marks((6, 8), Options(CLASSES, unknown="skip"))
    assert drawn.known("a", "dust") is None
    drawn.leave_out("tags")
    drawn.leave_out("tags")
    assert drawn.drawing("a", None).remarks == (
        "left out: tags",
        "strokes left out: 'dust' is not one of the classes",
        "nothing is drawn",
    )


def test_the_masks_of_a_label_image() -> None:
    label = np.array([[0, 255, 1], [1, 0, 255]], np.uint8)
    masks = dict(class_masks("a", label, CLASSES))
    assert list(masks) == ["background", "cell"]
    assert masks["cell"].tolist() == [[False, False, True], [True, False, False]]
    with pytest.raises(DataError, match=r"^a: label 2; expected 0\.\.1 or 255"):
        list(class_masks("a", np.array([[2]], np.uint8), CLASSES))
    many = classes_of(*(f"c{index}" for index in range(300)))
    wide = np.array([[299, 65535, 255]], np.uint16)
    assert list(dict(class_masks("a", wide, many))) == ["c255", "c299"]

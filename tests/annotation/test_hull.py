import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.morphology import convex_hull_image

from scribbleseg.annotation import far_background

drawings = hnp.arrays(
    bool,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=25),
    elements=st.booleans(),
    fill=st.just(False),
)


def test_nothing_drawn_is_far_from_nothing() -> None:
    assert not far_background(np.full((4, 5), 255, np.uint8)).any()


def test_one_pixel_is_its_own_hull() -> None:
    label = np.full((3, 3), 255, np.uint8)
    label[1, 1] = 2
    assert far_background(label).sum() == 8


def test_classes_do_not_matter_and_the_input_is_unchanged() -> None:
    rng = np.random.default_rng(0)
    label = np.where(rng.random((20, 30)) < 0.02, rng.integers(0, 4, (20, 30)), 255).astype(
        np.uint8
    )
    before = label.copy()
    np.testing.assert_array_equal(
        far_background(label), far_background(np.where(label == 255, 255, 0).astype(np.uint8))
    )
    np.testing.assert_array_equal(label, before)


def test_sixteen_bit_ignore_index() -> None:
    label = np.full((3, 4), 65535, np.uint16)
    label[0, 0] = 300
    assert far_background(label, ignore_index=65535).sum() == 11


@settings(max_examples=200, deadline=None)
@given(drawings)
def test_equals_scikit_image(drawn: np.ndarray) -> None:
    expected = ~convex_hull_image(drawn) if drawn.any() else np.zeros_like(drawn)
    np.testing.assert_array_equal(
        far_background(np.where(drawn, 1, 255).astype(np.uint8)), expected
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 13)), min_size=1, max_size=6))
def test_equals_exact_geometry(pixels: list[tuple[int, int]]) -> None:
    """Outside: a line through two corners has them all on one side and the point on the other."""
    label = np.full((12, 14), 255, np.uint8)
    for row, column in pixels:
        label[row, column] = 0
    # in half pixels, so that the corners are integers
    shifts = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
    corners = (2 * np.array(pixels)[:, None] + shifts).reshape(-1, 2)
    points = 2 * np.stack(np.mgrid[:12, :14], axis=-1).reshape(-1, 2)
    outside = np.zeros(len(points), bool)
    for start in corners:
        for end in corners:
            dr, dc = end - start
            corner_side = dr * (corners[:, 1] - start[1]) - dc * (corners[:, 0] - start[0])
            if (corner_side >= 0).all():
                outside |= dr * (points[:, 1] - start[1]) - dc * (points[:, 0] - start[0]) < 0
    np.testing.assert_array_equal(far_background(label), outside.reshape(12, 14))

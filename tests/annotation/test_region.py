import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from scipy.spatial.distance import cdist

from scribbleseg.annotation.region import Region, check_label_array, connected_regions
from scribbleseg.errors import DataError

labels = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, 1, 255]),
)


@settings(max_examples=100, deadline=None)
@given(labels)
def test_regions_are_those_of_scipy(label: np.ndarray) -> None:
    found = connected_regions(label)
    again = np.full_like(label, 255)
    for index, regions in found.items():
        expected, count = ndimage.label(label == index, np.ones((3, 3)))
        sizes = sorted(np.bincount(expected.ravel())[1:].tolist(), reverse=True)
        assert [region.area for region in regions] == sizes
        assert len(regions) == count
        for region in regions:
            number = expected[region.first_pixel]
            piece = np.zeros_like(label, dtype=bool)
            piece[region.window] = region.pixels
            np.testing.assert_array_equal(piece, expected == number)
            again[region.window][region.pixels] = index
    np.testing.assert_array_equal(again, label)


def test_diagonal_neighbours_are_one_region() -> None:
    assert [one.area for one in connected_regions(np.eye(3, dtype=np.uint8))[1]] == [3]


def test_the_cut_out_has_a_margin_except_at_the_sides_of_the_picture() -> None:
    label = np.full((6, 9), 255, np.uint8)
    label[0:2, 3:5] = 7
    (region,) = connected_regions(label)[7]
    assert (region.row, region.column, region.pixels.shape) == (0, 2, (3, 4))
    assert region.first_pixel == (0, 3)


def test_sixteen_bit_labels() -> None:
    label = np.array([[65535, 300, 255]], np.uint16)
    assert sorted(connected_regions(label, ignore_index=65535)) == [255, 300]


@pytest.mark.parametrize("frame_is_outside", [True, False])
def test_depth_is_the_distance_to_the_nearest_pixel_outside(frame_is_outside: bool) -> None:
    pixels = np.random.default_rng(0).random((60, 70)) < 0.998
    outside = np.argwhere(~np.pad(pixels, 1)) - 1 if frame_is_outside else np.argwhere(~pixels)
    every = np.argwhere(np.ones_like(pixels))
    expected = cdist(every, outside).min(axis=1).reshape(pixels.shape)
    region = Region(pixels, 0, 0, int(pixels.sum()))
    depth = region.depth(frame_is_outside=frame_is_outside)
    np.testing.assert_allclose(depth, expected, rtol=0.03)


def test_depth_without_an_outline_is_infinite() -> None:
    region = Region(np.ones((2, 3), bool), 0, 0, 6)
    assert np.isinf(region.depth(frame_is_outside=False)).all()


def test_the_pole_of_a_bar_is_in_its_middle() -> None:
    assert Region(np.ones((5, 101), bool), 0, 0, 505).pole() == (2, 50)


def test_the_pole_of_a_keyhole_is_in_its_wide_part() -> None:
    pixels = np.zeros((30, 60), bool)
    pixels[5:26, 5:26] = True
    pixels[14:17, 26:58] = True
    assert Region(pixels, 0, 0, int(pixels.sum())).pole() == (15, 15)


@pytest.mark.parametrize(
    ("label", "ignore_index", "message"),
    [
        (np.zeros((2, 2, 3), np.uint8), 255, r"cat: an array of shape \(2, 2, 3\), uint8"),
        (np.zeros((2, 2), np.int64), 255, "int64; expected"),
        (np.zeros((0, 2), np.uint8), 255, r"shape \(0, 2\)"),
        (np.zeros((2, 2), np.uint8), 65535, "ignore_index=65535 does not fit into uint8"),
    ],
)
def test_other_arrays_are_refused(label: np.ndarray, ignore_index: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_label_array(label, "cat", ignore_index)

import cv2
import numpy as np
import pytest

from scribbleseg.annotation.polyline import polyline_length
from scribbleseg.annotation.region import Region, connected_regions
from scribbleseg.annotation.stroke_path import (
    boundary_path,
    central_block,
    central_point,
    contours,
    longest_path,
    random_path,
)


def region_of(mask: np.ndarray) -> Region:
    return connected_regions(mask.astype(np.uint8))[1][0]


@pytest.fixture
def disc() -> Region:
    return region_of(cv2.circle(np.zeros((120, 130), np.uint8), (60, 60), 40, 1, -1))


def test_paths_of_a_large_region_stay_inside_it() -> None:
    mask = cv2.ellipse(np.zeros((500, 600), np.uint8), (300, 250), (280, 200), 20, 30, 300, 1, 25)
    region = region_of(mask)
    for path in (longest_path(region), random_path(region, np.random.default_rng(0))):
        columns, rows = path.astype(int).T
        assert region.pixels[rows, columns].all()
        assert polyline_length(path) > 200


def test_a_contour_of_a_disc_is_a_circle(disc: Region) -> None:
    (line,) = contours(disc, 6.0)
    center = np.array(disc.pixels.shape[::-1]) // 2
    np.testing.assert_allclose(np.linalg.norm(line - center, axis=1), 40.5 - 6, atol=1)
    np.testing.assert_array_equal(line[0], line[-1])


def test_a_contour_does_not_run_along_the_side_of_the_picture() -> None:
    mask = np.zeros((50, 60), bool)
    mask[20:, :] = True
    (line,) = contours(region_of(mask), 5.5)
    assert line[:, 0].min() == 0
    assert line[:, 0].max() == 59
    assert np.ptp(line[:, 1]) < 1e-6


def test_a_region_that_fills_the_picture_has_no_contour() -> None:
    region = region_of(np.ones((9, 9), bool))
    assert contours(region, 3.0) == []
    assert boundary_path(region, 3.0, np.random.default_rng(0)) == []


def test_a_narrow_region_has_a_contour_inside_it() -> None:
    mask = np.zeros((9, 40), bool)
    mask[3:6, 2:38] = True
    region = region_of(mask)
    (line,) = contours(region, 50.0)
    columns, rows = np.round(line).astype(int).T
    assert region.pixels[rows, columns].all()


def test_boundary_paths_have_between_half_and_all_of_the_contour(disc: Region) -> None:
    whole = polyline_length(contours(disc, 6.0)[0])
    rng = np.random.default_rng(0)
    paths = [boundary_path(disc, 6.0, rng)[0] for _ in range(300)]
    shares = np.array([polyline_length(path) / whole for path in paths])
    assert 0.5 <= shares.min() < 0.53
    assert 0.97 < shares.max() <= 1
    assert shares.mean() == pytest.approx(0.75, abs=0.03)
    center = np.array(disc.pixels.shape[::-1]) // 2
    starts = np.array([path[0] for path in paths]) - center
    angles = np.arctan2(*starts.T)
    counts, _ = np.histogram(angles, 6, (-np.pi, np.pi))
    assert ((counts - 50) ** 2 / 50).sum() < 15.1  # 1 % of fair samples, 5 degrees of freedom


def test_a_region_with_a_hole_has_boundaries_along_both_outlines() -> None:
    mask = cv2.circle(np.zeros((120, 120), np.uint8), (60, 60), 50, 1, -1)
    region = region_of(cv2.circle(mask, (60, 60), 15, 0, -1))
    rng = np.random.default_rng(0)
    middle = np.array(region.pixels.shape[::-1]) / 2
    radii = [np.linalg.norm(boundary_path(region, 6.0, rng)[0][0] - middle) for _ in range(60)]
    assert 0 < sum(radius < 30 for radius in radii) < 30


def test_a_block_is_in_the_middle_of_the_widest_place() -> None:
    mask = np.zeros((60, 100), bool)
    mask[10:41, 5:36] = True
    mask[24:27, 36:] = True
    region = region_of(mask)
    middle = central_point(region)[0]
    assert (middle + np.array([region.column, region.row])).tolist() == [20, 25]
    corners = central_block(region, 1 / 3, 2.0)
    assert np.ptp(corners, axis=0).tolist() == [10, 10]
    np.testing.assert_allclose(corners.mean(axis=0), middle)
    assert np.ptp(central_block(region, 0.0, 2.0), axis=0).tolist() == [2, 2]

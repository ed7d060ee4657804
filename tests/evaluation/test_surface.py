import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from scribbleseg.evaluation import dice, hausdorff95
from scribbleseg.evaluation.surface import surface_distances


def blobs(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(noise, 1.5) > 0.12


def surface_points(region: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    padded = np.pad(region, 1)
    inner = padded.copy()
    for axis in range(region.ndim):
        inner &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
    core = inner[(slice(1, -1),) * region.ndim]
    return np.argwhere(region & ~core) * np.array(spacing)


def test_hand_values() -> None:
    square = np.zeros((5, 9), bool)
    square[1:4, 1:4] = True
    shifted = np.roll(square, 3, axis=1)
    assert dice(square, shifted) == 0
    # of the 8 surface pixels on each side the farthest three (of 16 distances) are 3 columns away
    assert hausdorff95(square, shifted, (1, 2)) == pytest.approx(6)
    assert hausdorff95(square, square, (1, 1)) == 0
    assert dice(square, square) == 1


def test_undefined_cases() -> None:
    empty, full = np.zeros((2, 3), bool), np.ones((2, 3), bool)
    assert np.isnan(dice(empty, empty))
    assert dice(empty, full) == dice(full, empty) == 0
    for pair in ((empty, full), (full, empty), (empty, empty)):
        assert np.isnan(hausdorff95(*pair, (1, 1)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), shape=st.sampled_from([(6, 12, 10), (14, 17), (3, 9, 20)]))
def test_equals_all_pairs_of_surface_points(seed: int, shape: tuple[int, ...]) -> None:
    spacing = (10.0, 1.5, 1.25)[-len(shape) :]
    prediction, truth = blobs(seed, shape), blobs(seed + 1, shape)
    if not prediction.any() or not truth.any():
        return
    distances = cdist(surface_points(prediction, spacing), surface_points(truth, spacing))
    pooled = np.concatenate([distances.min(axis=1), distances.min(axis=0)])
    assert hausdorff95(prediction, truth, spacing) == pytest.approx(np.percentile(pooled, 95))
    assert hausdorff95(prediction, truth, spacing) == hausdorff95(truth, prediction, spacing)
    assert dice(prediction, truth) == dice(truth, prediction)


def test_directed_distances_agree_with_monai() -> None:
    """MONAI takes the larger of the two directed percentiles; the distances are the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from monai.metrics import compute_dice, compute_hausdorff_distance

    spacing = (8.0, 1.5, 1.25)
    for seed in range(4):
        prediction, truth = blobs(seed, (6, 16, 14)), blobs(seed + 50, (6, 16, 14))
        tensors = [torch.from_numpy(region)[None, None].float() for region in (prediction, truth)]
        theirs = compute_hausdorff_distance(
            *tensors, include_background=True, percentile=95, spacing=spacing
        )
        directed = [np.percentile(d, 95) for d in surface_distances(prediction, truth, spacing)]
        assert max(directed) == pytest.approx(theirs.item(), rel=1e-5)
        assert min(directed) <= hausdorff95(prediction, truth, spacing) <= max(directed)
        their_dice = compute_dice(*tensors, include_background=True)
        assert dice(prediction, truth) == pytest.approx(their_dice.item(), rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999))
def test_two_dimensions_are_as_exact_as_three(seed: int) -> None:
    """The fast way for square pixels against the general one: a slice is a thin volume."""
    prediction, truth = blobs(seed, (40, 50)), blobs(seed + 1, (40, 50))
    # In a single slice every voxel is on the surface, so the slice holds the contours alone.
    rings = [region & ~ndimage.binary_erosion(region) for region in (prediction, truth)]
    np.testing.assert_array_equal(
        surface_distances(prediction, truth, (1, 1))[0],
        surface_distances(rings[0][None], rings[1][None], (9, 1, 1))[0],
    )
    assert hausdorff95(prediction, truth, (2, 2)) == 2 * hausdorff95(prediction, truth, (1, 1))


@pytest.mark.parametrize("shape", [(9,), (12, 10), (6, 12, 10)])
def test_arguments_stay_as_they_are(shape: tuple[int, ...]) -> None:
    prediction, truth = blobs(1, shape), blobs(2, shape)
    prediction.flat[0] = truth.flat[-1] = True
    copies = prediction.copy(), truth.copy()
    hausdorff95(prediction, truth, (1.0,) * len(shape))
    np.testing.assert_array_equal(prediction, copies[0])
    np.testing.assert_array_equal(truth, copies[1])

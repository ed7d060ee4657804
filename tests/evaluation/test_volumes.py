import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from scribbleseg.errors import DataError
from scribbleseg.evaluation import Volume, dice, hausdorff95, read_volumes, score_volumes
from scribbleseg.evaluation.volumes import surface_distances


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


def test_scores_of_volumes_count_what_is_empty() -> None:
    def label(*values: int) -> np.ndarray:
        return np.array([values], np.uint8)

    truth = {"a0": label(1, 1, 0, 0), "a1": label(0, 0, 0, 0), "b0": label(0, 1, 2, 0)}
    prediction = {"a0": label(1, 0, 0, 0), "a1": label(0, 0, 3, 0), "b0": label(0, 1, 0, 0)}
    volumes = [Volume("a", ("a0", "a1"), (10, 1, 1)), Volume("b", ("b0",), (10, 1, 1))]
    scores = score_volumes(
        volumes, prediction.__getitem__, truth.__getitem__, ["bg", "one", "two", "three"]
    )
    assert scores.class_names == ("one", "two", "three")
    np.testing.assert_allclose(scores.dice, [[2 / 3, np.nan, 0], [1, 0, np.nan]])
    np.testing.assert_allclose(scores.hd95, [[0.9, np.nan, np.nan], [0, np.nan, np.nan]])
    assert scores.empty_prediction.tolist() == [0, 1, 0]  # two: true in b, predicted nowhere
    assert scores.empty_truth.tolist() == [0, 0, 1]
    assert scores.empty_both.tolist() == [0, 1, 1]
    np.testing.assert_allclose(scores.mean_dice, [(2 / 3 + 1) / 2, 0, 0])
    np.testing.assert_allclose(scores.mean_hd95, [0.45, np.nan, np.nan])


HEADER = "patient,frame,spacing_z,spacing_y,spacing_x,slices\n"


def test_reading_volumes(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(HEADER + "p1,f1,10,1.5,1.25,s0 s1\n")
    assert read_volumes(tmp_path / "v.csv") == [Volume("p1_f1", ("s0", "s1"), (10.0, 1.5, 1.25))]
    for line, message in (
        (
            "p1,f1,10,x,1.25,s0\n",
            "line 2: could not convert string to float: 'x'; spacings are in mm",
        ),
        ("p1,f1,10,0,1.25,s0\n", r"line 2: spacing \(10.0, 0.0, 1.25\) mm must be positive"),
        ("p1,f1,10,1,1,\n", "line 2 has no 'slices'"),
    ):
        (tmp_path / "v.csv").write_text(HEADER + line)
        with pytest.raises(DataError, match=rf"v\.csv: {message}"):
            read_volumes(tmp_path / "v.csv")
    with pytest.raises(DataError, match="no such file"):
        read_volumes(tmp_path / "none.csv")

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy import ndimage

from scribbleseg.evaluation import DistanceProfile, distance_profile, scribble_distance
from scribbleseg.evaluation.scribble_distance import BINS, EDGES
from scribbleseg.evaluation.undefined import without_nan


def example(seed: int, shape: tuple[int, int] = (30, 40)) -> tuple[np.ndarray, ...]:
    """Prediction, mask with void, and a scribble with few pixels drawn."""
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 3, shape).astype(np.uint8)
    prediction = np.where(rng.random(shape) < 0.7, mask, rng.integers(0, 3, shape)).astype(np.uint8)
    mask[rng.random(shape) < 0.1] = 255
    scribble = np.full(shape, 255, np.uint8)
    scribble.flat[rng.integers(0, scribble.size, rng.integers(1, 6))] = rng.integers(0, 3)
    return prediction, mask, scribble


def test_hand_values() -> None:
    """A row of 12 pixels, the stroke at its left end: distances 0 .. 11."""
    scribble = np.full((1, 12), 255, np.uint8)
    scribble[0, 0] = 1
    mask = np.array([[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 255]], np.uint8)
    prediction = np.array([[0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0]], np.uint8)
    profile = distance_profile(prediction, mask, scribble, num_classes=2)
    #                          0, (0, 2], (2, 4], (4, 8], (8, 16]: 9 and 10, 11 is void
    assert profile.pixels.sum(axis=0)[:6].tolist() == [1, 2, 2, 4, 2, 0]
    assert profile.right.sum(axis=0)[:6].tolist() == [1, 1, 2, 3, 0, 0]
    assert profile.pixels[1, :5].tolist() == [0, 0, 0, 4, 2]
    np.testing.assert_allclose(profile.accuracy[:6], [1, 0.5, 1, 0.75, 0, np.nan])
    np.testing.assert_allclose(profile.class_accuracy[1, 3:5], [0.75, 0])
    np.testing.assert_allclose(profile.share_of_errors[:5], [0, 0.25, 0, 0.25, 0.5])
    np.testing.assert_allclose(profile.share_of_pixels[:5], np.array([1, 2, 2, 4, 2]) / 11)
    assert profile.bins == BINS[:5]
    assert (
        profile.summary()
        == "Half of the errors, like half of all pixels, lie within 8 pixels of a stroke."
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9999))
def test_equals_the_distance_transform_of_scipy(seed: int) -> None:
    prediction, mask, scribble = example(seed)
    profile = distance_profile(prediction, mask, scribble, num_classes=3)
    distance = ndimage.distance_transform_edt(scribble == 255)
    place = np.searchsorted(EDGES, distance)  # a distance equal to an end is in the lower bin
    for index in range(3):
        for pixels, counted in (
            (profile.pixels, mask == index),
            (profile.right, (mask == index) & (prediction == index)),
        ):
            expected = np.bincount(place[counted], minlength=len(BINS))
            np.testing.assert_array_equal(pixels[index], expected)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999))
def test_parts_void_and_names_of_classes(seed: int) -> None:
    prediction, mask, scribble = example(seed)
    profile = distance_profile(prediction, mask, scribble, num_classes=3)
    assert profile.pixels.sum() == (mask != 255).sum()

    other = np.where(mask == 255, 0, prediction).astype(np.uint8)
    same = distance_profile(other, mask, scribble, num_classes=3)
    np.testing.assert_array_equal(same.right, profile.right)

    both = profile + distance_profile(*example(seed + 1), num_classes=3)
    assert (both.images, both.undrawn) == (2, 0)
    assert both.pixels.sum() > profile.pixels.sum()

    order = np.random.default_rng(seed).permutation(3).astype(np.uint8)
    renamed = distance_profile(
        order[prediction], np.where(mask == 255, 255, order[mask % 3]), scribble, num_classes=3
    )
    np.testing.assert_array_equal(renamed.right[order], profile.right)

    right = np.where(mask == 255, 0, mask).astype(np.uint8)
    perfect = distance_profile(right, mask, scribble, num_classes=3)
    np.testing.assert_array_equal(perfect.right, perfect.pixels)
    assert np.isnan(perfect.share_of_errors).all()
    assert perfect.summary() == "There are no errors."


@pytest.mark.parametrize("scribble", [None, np.full((30, 40), 255, np.uint8)])
def test_images_without_strokes_are_counted_apart(scribble: np.ndarray | None) -> None:
    prediction, mask, drawn = example(0)
    nothing = distance_profile(prediction, mask, scribble, num_classes=3)
    assert (nothing.images, nothing.undrawn, nothing.pixels.sum()) == (0, 1, 0)
    both = nothing + distance_profile(prediction, mask, drawn, num_classes=3)
    assert (both.images, both.undrawn) == (1, 1)
    assert both.pixels.sum() == (mask != 255).sum()
    console = Console(width=90)
    with console.capture() as capture:
        console.print(both.table())
        console.print(nothing.table())
    text = " ".join(capture.get().split())
    assert "1 images have no stroke and are left out" in text
    assert nothing.bins == ()


def test_far_away_has_a_bin() -> None:
    scribble = np.full((1, 600), 255, np.uint8)
    scribble[0, 0] = 0
    zeros = np.zeros((1, 600), np.uint8)
    ones = (np.arange(600) > 512).astype(np.uint8)[None]
    profile = distance_profile(ones, zeros, scribble, num_classes=2)
    assert profile.bins == BINS
    assert profile.pixels.sum(axis=0)[-2:].tolist() == [256, 87]
    assert profile.accuracy[-2:].tolist() == [1, 0]
    assert profile.summary() == (
        "Half of the errors lie more than 512 pixels from a stroke; half of all pixels lie within "
        "512 pixels of a stroke."
    )


@pytest.mark.parametrize("strokes", [[0], [700], [1500, 3000]])
def test_bands_are_not_seen(strokes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """3001 rows, of which the bands have 1024; from some bands no stroke is in sight."""
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 3, (3001, 4)).astype(np.uint8)
    prediction = rng.integers(0, 3, mask.shape).astype(np.uint8)
    scribble = np.full(mask.shape, 255, np.uint8)
    scribble[strokes, 2] = 1
    whole = distance_profile(prediction, mask, scribble, num_classes=3)
    monkeypatch.setattr(scribble_distance, "BAND", 1)
    parts = distance_profile(prediction, mask, scribble, num_classes=3)
    np.testing.assert_array_equal(parts.pixels, whole.pixels)
    np.testing.assert_array_equal(parts.right, whole.right)
    assert parts.pixels[:, -1].sum() > 0


def test_json_names_the_bins() -> None:
    pixels = np.zeros((2, len(BINS)), np.int64)
    pixels[0, 1] = 8
    profile = DistanceProfile(pixels, pixels // 2, images=3, undrawn=1)
    facts = without_nan(profile.as_dict(["a", "b"]))
    assert facts["bins"][1] == {
        "above": 0,
        "up_to": 2,
        "pixels": 8,
        "right": 4,
        "accuracy": 0.5,
        "of_pixels": 1.0,
        "of_errors": 1.0,
    }
    assert facts["bins"][0]["accuracy"] is None
    assert (facts["bins"][0]["above"], facts["bins"][-1]["up_to"]) == (None, None)
    assert facts["classes"]["a"]["right"][1] == 4
    assert facts["images_without_strokes"] == 1

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from scribbleseg.evaluation import Scores, boundary, boundary_counts, confusion_matrix
from scribbleseg.evaluation.boundary import boundary_width


def labels(seed: int, classes: int, shape: tuple[int, int]) -> np.ndarray:
    """A label image of smooth regions."""
    noise = np.random.default_rng(seed).normal(size=(classes, *shape))
    return ndimage.gaussian_filter(noise, (0, 2, 2)).argmax(axis=0).astype(np.uint8)


def with_void(mask: np.ndarray, seed: int) -> np.ndarray:
    return np.where(ndimage.laplace(mask.astype(int)) > seed % 3, 255, mask).astype(np.uint8)


def by_the_paper(
    prediction: np.ndarray, mask: np.ndarray, classes: int, reach: int
) -> tuple[list[int], list[int]]:
    """Each class's mask minus its erosions by a 3 x 3 square, outside the image is outside."""
    intersection, union = [], []
    for index in range(classes):
        regions = []
        for label in (prediction, mask):
            inside = (label == index) & (mask != 255)
            core = ndimage.binary_erosion(inside, np.ones((3, 3)), iterations=reach)
            regions.append(inside & ~core)
        intersection.append(int((regions[0] & regions[1]).sum()))
        union.append(int((regions[0] | regions[1]).sum()))
    return intersection, union


def test_hand_values() -> None:
    mask = np.zeros((12, 12), np.uint8)
    mask[3:9, 3:9] = 1
    prediction = np.zeros((12, 12), np.uint8)
    prediction[3:9, 3:10] = 1  # a column too much
    counts = boundary_counts(prediction, mask, num_classes=3)
    # The strips are 1 pixel wide: rings of 6 x 6 (20 pixels) and 7 x 6 (22), which share all but
    # their right sides.
    assert counts.intersection[1] == 4 + 6 + 6
    assert counts.union[1] == 20 + 22 - 16
    assert (counts.intersection.tolist(), counts.union.tolist()) == by_the_paper(
        prediction, mask, 3, reach=1
    )
    assert counts.iou[1] == pytest.approx(16 / 26)
    assert np.isnan(counts.iou[2])  # in neither
    assert counts.miou == pytest.approx((counts.iou[0] + counts.iou[1]) / 2)


def test_width_of_the_strips() -> None:
    assert boundary_width(375, 500) == 12  # 0.02 * 625 = 12.5, to the even number
    assert boundary_width(10, 10) == 1  # never less than a pixel
    assert boundary_width(1024, 2048, 0.005) == 11


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 9999),
    classes=st.sampled_from([1, 2, 5, 21]),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    ratio=st.sampled_from([0.01, 0.05, 0.2]),
)
def test_equals_the_definition(
    seed: int, classes: int, shape: tuple[int, int], ratio: float
) -> None:
    prediction = labels(seed, classes, shape)
    mask = with_void(labels(seed + 1, classes, shape), seed)
    counts = boundary_counts(prediction, mask, num_classes=classes, dilation_ratio=ratio)
    reach = boundary_width(*shape, ratio)
    assert (counts.intersection.tolist(), counts.union.tolist()) == by_the_paper(
        prediction, mask, classes, reach
    )
    assert not (counts.iou > 1).any()
    for kind in (np.uint16, np.int64):
        other = boundary_counts(
            prediction.astype(kind), mask.astype(kind), num_classes=classes, dilation_ratio=ratio
        )
        np.testing.assert_array_equal(other.intersection, counts.intersection)
        np.testing.assert_array_equal(other.union, counts.union)


@pytest.mark.parametrize(("ratio", "band"), [(0.01, 1), (0.02, 700), (0.05, 1), (0.9, 1)])
def test_bands_are_not_seen(ratio: float, band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = labels(0, 4, (61, 35)), with_void(labels(1, 4, (61, 35)), 0)
    whole = boundary_counts(*pair, num_classes=4, dilation_ratio=ratio)
    monkeypatch.setattr(boundary, "BAND", band)
    parts = boundary_counts(*pair, num_classes=4, dilation_ratio=ratio)
    np.testing.assert_array_equal(parts.intersection, whole.intersection)
    np.testing.assert_array_equal(parts.union, whole.union)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999))
def test_wide_strips_are_the_whole_classes(seed: int) -> None:
    prediction, mask = labels(seed, 4, (20, 30)), with_void(labels(seed + 1, 4, (20, 30)), seed)
    wide = boundary_counts(prediction, mask, num_classes=4, dilation_ratio=0.9)
    counts = confusion_matrix(prediction, mask, num_classes=4)
    np.testing.assert_array_equal(wide.iou, Scores.from_counts(counts).iou)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999))
def test_void_parts_and_names_of_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prediction, mask = labels(seed, 4, (20, 30)), with_void(labels(seed + 1, 4, (20, 30)), seed)
    counts = boundary_counts(prediction, mask, num_classes=4)

    # What is predicted in void changes nothing, and what is right elsewhere is perfect.
    noise = rng.integers(0, 4, mask.shape).astype(np.uint8)
    other = boundary_counts(np.where(mask == 255, noise, prediction), mask, num_classes=4)
    np.testing.assert_array_equal(other.intersection, counts.intersection)
    np.testing.assert_array_equal(other.union, counts.union)
    perfect = boundary_counts(np.where(mask == 255, noise, mask), mask, num_classes=4)
    np.testing.assert_array_equal(perfect.intersection, perfect.union)

    order = rng.permutation(4).astype(np.uint8)
    renamed = boundary_counts(
        order[prediction], np.where(mask == 255, 255, order[mask % 4]), num_classes=4
    )
    np.testing.assert_array_equal(renamed.union[order], counts.union)
    np.testing.assert_array_equal(renamed.intersection[order], counts.intersection)

    both = counts + perfect
    np.testing.assert_array_equal(both.union, counts.union + perfect.union)
    with pytest.raises(ValueError, match="dilation ratios differ"):
        _ = counts + boundary_counts(prediction, mask, num_classes=4, dilation_ratio=0.1)


def test_as_many_classes_as_16_bits_hold() -> None:
    for classes in (255, 256, 300):
        mask = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) % classes
        counts = boundary_counts(mask, mask, num_classes=classes, ignore_index=65535)
        assert counts.union.sum() == 600
        assert counts.miou == 1


def test_nothing_counts() -> None:
    mask = np.full((5, 5), 255, np.uint8)
    counts = boundary_counts(np.zeros((5, 5), np.uint8), mask, num_classes=2)
    assert np.isnan(counts.miou)
    assert counts.as_dict(["a", "b"])["union"].tolist() == [0, 0]

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden_cases import Case, golden

from scribbleseg.evaluation import Scores, confusion, confusion_matrix
from scribbleseg.evaluation.confusion import count_pairs


def test_hand_values() -> None:
    #           truth                          prediction; 255 does not count
    mask = np.array([[0, 0, 0, 1], [1, 2, 255, 255]])
    prediction = np.array([[0, 0, 1, 1], [1, 0, 2, 0]])
    counts = confusion_matrix(prediction, mask, num_classes=4)
    assert counts.dtype == np.int64
    assert counts.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    scores = Scores.from_counts(counts)
    np.testing.assert_allclose(scores.iou, [2 / 4, 2 / 3, 0, np.nan])
    np.testing.assert_allclose(scores.accuracy, [2 / 3, 1, 0, np.nan])
    np.testing.assert_allclose(scores.dice, [4 / 6, 4 / 5, 0, np.nan])
    assert scores.miou == pytest.approx(
        (2 / 4 + 2 / 3) / 3
    )  # the class absent from both is left out
    assert scores.miou_all == pytest.approx((2 / 4 + 2 / 3) / 4)  # ... or counts 0
    assert scores.pixel_accuracy == pytest.approx(4 / 6)


def test_nothing_counted() -> None:
    scores = Scores.from_counts(
        confusion_matrix(np.zeros((2, 2), int), np.full((2, 2), 255), num_classes=3)
    )
    assert np.isnan(scores.iou).all()
    assert np.isnan(scores.miou)
    assert scores.miou_all == 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), classes=st.integers(2, 30))
def test_parts_add_up_exactly_and_renaming_classes_renames_scores(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    prediction = rng.integers(0, classes, (3, 7, 5)).astype(np.uint8)
    mask = np.where(rng.random((3, 7, 5)) < 0.2, 255, rng.integers(0, classes, (3, 7, 5))).astype(
        np.uint8
    )
    whole = confusion_matrix(prediction, mask, num_classes=classes)
    parts = [
        confusion_matrix(p, m, num_classes=classes) for p, m in zip(prediction, mask, strict=True)
    ]
    np.testing.assert_array_equal(sum(parts), whole)
    assert whole.sum() == (mask != 255).sum()

    order = rng.permutation(classes)
    renamed = confusion_matrix(
        order[prediction], np.where(mask == 255, 255, order[mask % classes]), num_classes=classes
    )
    np.testing.assert_allclose(
        Scores.from_counts(renamed).iou[order], Scores.from_counts(whole).iou
    )


def test_counts_do_not_wrap_at_32_bits() -> None:
    counts = np.array([[2**40, 0], [0, 2**40]])
    assert Scores.from_counts(counts).miou == 1.0


@golden("lpl", "miou")
def test_matches_lpl(case: Case) -> None:
    counts = confusion_matrix(case["pred"], case["label"], num_classes=case["num_classes"])
    scores = Scores.from_counts(counts)
    np.testing.assert_allclose(
        100 * np.nan_to_num(scores.iou), case["iou_percent"], rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(100 * scores.miou_all, case["miou_percent"], rtol=1e-9)


@golden("blpseg", "miou")
def test_matches_blpseg(case: Case) -> None:
    counts = confusion_matrix(case["pred"], case["gt"], num_classes=len(case["iou_percent"]))
    scores = Scores.from_counts(counts)
    np.testing.assert_allclose(
        100 * np.nan_to_num(scores.iou), case["iou_percent"], rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(100 * scores.miou_all, case["miou_percent"], rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    kinds=st.tuples(*[st.sampled_from([np.uint8, np.uint16, np.int64])] * 2),
)
def test_pairs_are_counted_as_one_by_one(
    seed: int, shape: tuple[int, int], kinds: tuple[type, type]
) -> None:
    rng = np.random.default_rng(seed)
    first, second = (rng.integers(0, 256, (7, 9)).astype(kind) for kind in kinds)
    expected = np.zeros(shape, np.int64)
    for a, b in zip(first.ravel(), second.ravel(), strict=True):
        if a < shape[0] and b < shape[1]:
            expected[a, b] += 1
    np.testing.assert_array_equal(count_pairs(first, second, shape), expected)


@pytest.mark.parametrize("kind", [np.uint8, np.int32])
def test_large_images_are_counted_in_parts(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pair = [rng.integers(0, 4, (50, 41)).astype(kind) for _ in range(2)]
    whole = confusion_matrix(*pair, num_classes=4)
    monkeypatch.setattr(confusion, "EXACT", 100)
    monkeypatch.setattr(confusion, "BLOCK", 100)
    np.testing.assert_array_equal(confusion_matrix(*pair, num_classes=4), whole)
    assert whole.sum() == 50 * 41


def test_more_pixels_than_float32_can_count() -> None:
    """The counts come from OpenCV as float32, in which 2**24 + 1 is no number."""
    label = np.zeros((4097, 4097), np.uint8)
    assert confusion_matrix(label, label, num_classes=2)[0, 0] == 4097**2


def test_any_value_can_stand_for_void() -> None:
    mask, prediction = np.array([[0, 1, 2, -1]]), np.array([[0, 1, 1, 1]])
    for kind, void, counted in ((np.int64, -1, 3), (np.uint8, 255, 3), (np.uint8, 1, 2)):
        counts = confusion_matrix(
            prediction.astype(kind), mask.astype(kind), num_classes=3, ignore_index=void
        )
        assert counts.sum() == counted
    columns = np.asfortranarray(np.tile(mask, (3, 1)).astype(np.uint8))
    assert confusion_matrix(columns, columns, num_classes=3).tolist() == (3 * np.eye(3)).tolist()


def test_six_times_as_fast_as_masks_of_each_class() -> None:
    """Measured 12 to 40 times; the smallest of several, as other tests run beside it."""
    rng = np.random.default_rng(0)
    mask, prediction = (rng.integers(0, 21, (375, 500), dtype=np.uint8) for _ in range(2))

    def by_class() -> list[int]:
        valid = mask != 255
        return [int(((prediction == k) & (mask == k) & valid).sum()) for k in range(21)]

    def ours() -> list[int]:
        return np.diag(confusion_matrix(prediction, mask, num_classes=21)).tolist()

    assert ours() == by_class()
    seconds: dict[str, list[float]] = {"ours": [], "by_class": []}
    for _ in range(15):
        for function in (ours, by_class):
            started = time.perf_counter()
            function()
            seconds[function.__name__].append(time.perf_counter() - started)
    assert min(seconds["by_class"]) > 6 * min(seconds["ours"])

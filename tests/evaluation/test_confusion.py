import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden_cases import Case, golden

from scribbleseg.evaluation import Scores, confusion_matrix


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

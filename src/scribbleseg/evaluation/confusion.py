"""Scores from one exact confusion matrix over a whole set of images."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scribbleseg.evaluation.undefined import ratio

__all__ = ["Counts", "Scores", "confusion_matrix", "count_pairs"]

Counts = NDArray[np.int64]
"""``(K, K)`` pixel counts, rows = truth, columns = prediction. Counts of parts of a set add up
exactly, in any order."""

EXACT = 1 << 24
"""OpenCV returns its counts as float32, in which integers are exact up to here."""

BLOCK = 1 << 16
"""Pixels that are counted at once where the labels are no bytes, so that no copy of them grows."""


def confusion_matrix(
    prediction: NDArray[np.integer],
    mask: NDArray[np.integer],
    *,
    num_classes: int,
    ignore_index: int = 255,
) -> Counts:
    """Pixel counts of one prediction; fast for uint8.

    Args:
        prediction: ``(H, W)`` class indices below ``num_classes``.
        mask: ``(H, W)`` class indices, or ``ignore_index`` for pixels that do not count.
        num_classes: K.
        ignore_index: Value of pixels to leave out.

    Returns:
        ``(K, K)`` int64.

    >>> confusion_matrix(np.array([[0, 1, 1]]), np.array([[0, 0, 255]]), num_classes=2)
    array([[1, 1],
           [0, 0]])
    """
    counts = count_pairs(mask, prediction, (num_classes, num_classes))
    if 0 <= ignore_index < num_classes:
        counts[ignore_index] = 0
    return counts


def count_pairs(
    first: NDArray[np.integer], second: NDArray[np.integer], shape: tuple[int, int]
) -> NDArray[np.int64]:
    """How often each pair of values occurs at the same place.

    Args:
        first: Values, any shape.
        second: Values, same shape.
        shape: Values of ``first`` and of ``second`` that are counted: those from 0 to below it.

    Returns:
        ``shape`` int64.

    >>> count_pairs(np.array([0, 1, 1, 9]), np.array([2, 0, 0, 0]), (2, 3))
    array([[0, 0, 1],
           [2, 0, 0]])
    """
    first, second = first.reshape(1, -1), second.reshape(1, -1)
    bytes_only = first.dtype == second.dtype == np.uint8
    count, block = (_count_bytes, EXACT) if bytes_only else (_count_any, BLOCK)
    counts = np.zeros(shape, np.int64)
    for start in range(0, first.size, block):
        counts += count(first[:, start : start + block], second[:, start : start + block], shape)
    return counts


def _count_bytes(
    first: NDArray[Any], second: NDArray[Any], shape: tuple[int, int]
) -> NDArray[np.int64]:
    ranges = [0, float(shape[0]), 0, float(shape[1])]
    return cv2.calcHist([first, second], [0, 1], None, shape, ranges).astype(np.int64)


def _count_any(
    first: NDArray[Any], second: NDArray[Any], shape: tuple[int, int]
) -> NDArray[np.int64]:
    rows, columns = shape
    first, second = first.astype(np.intp), second.astype(np.intp)
    counted = (first >= 0) & (first < rows) & (second >= 0) & (second < columns)
    # Pairs that do not count get a place of their own; gathering the others would take longer.
    pairs = np.where(counted, first * columns + second, rows * columns)
    counts = np.bincount(pairs.ravel(), minlength=rows * columns)[: rows * columns]
    return counts.reshape(shape).astype(np.int64, copy=False)


@dataclass(frozen=True)
class Scores:
    """What one confusion matrix says.

    Args:
        iou: ``(K,)`` intersection over union; NaN for classes absent from truth and prediction.
        accuracy: ``(K,)`` share of the class's pixels that were found; NaN for classes absent from
            the truth.
        dice: ``(K,)`` Dice coefficient over the pooled pixels; NaN like ``iou``.
        miou: Mean IoU over the classes that are present in truth or prediction.
        miou_all: Mean IoU over all K classes, absent ones counted as 0 (the convention of most
            published evaluators).
        pixel_accuracy: Share of all counted pixels that are right.
    """

    iou: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    dice: NDArray[np.float64]
    miou: float
    miou_all: float
    pixel_accuracy: float

    @classmethod
    def from_counts(cls, counts: Counts) -> "Scores":
        """Scores of the counts ``(K, K)``; all NaN (and ``miou_all`` 0) when nothing was counted.

        >>> Scores.from_counts(np.array([[3, 1], [0, 4]])).iou
        array([0.75, 0.8 ])
        """
        return cls.from_totals(np.diag(counts), counts.sum(axis=1), counts.sum(axis=0))

    @classmethod
    def from_totals(
        cls, hit: NDArray[np.int64], truth: NDArray[np.int64], predicted: NDArray[np.int64]
    ) -> "Scores":
        """The same scores from each class's pixels alone.

        Args:
            hit: ``(K,)`` pixels that were rightly predicted.
            truth: ``(K,)`` pixels in the truth.
            predicted: ``(K,)`` pixels in the prediction.

        >>> Scores.from_totals(np.array([3, 4]), np.array([4, 4]), np.array([3, 5])).iou
        array([0.75, 0.8 ])
        """
        union = truth + predicted - hit
        iou = ratio(hit, union)
        return cls(
            iou=iou,
            accuracy=ratio(hit, truth),
            dice=ratio(2 * hit, truth + predicted),
            miou=float(np.mean(iou[union > 0])) if (union > 0).any() else float("nan"),
            miou_all=float(np.mean(np.nan_to_num(iou))),
            pixel_accuracy=float(hit.sum() / truth.sum()) if truth.any() else float("nan"),
        )

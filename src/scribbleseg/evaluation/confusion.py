"""Scores from one exact confusion matrix over a whole set of images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Counts", "Scores", "confusion_matrix"]

Counts = NDArray[np.int64]
"""``(K, K)`` pixel counts, rows = truth, columns = prediction. Counts of parts of a set add up
exactly, in any order."""


def confusion_matrix(
    prediction: NDArray[np.integer],
    mask: NDArray[np.integer],
    *,
    num_classes: int,
    ignore_index: int = 255,
) -> Counts:
    """Pixel counts of one prediction.

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
    # Pixels that do not count go to a row of their own; gathering the others would take longer.
    rows = np.where(mask == ignore_index, num_classes, mask.astype(np.intp))
    pairs = (rows * num_classes + prediction).ravel()
    counts = np.bincount(pairs, minlength=num_classes * (num_classes + 1))
    return counts.reshape(-1, num_classes)[:num_classes].astype(np.int64, copy=False)


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
        hit = np.diag(counts).astype(np.float64)
        truth, predicted = counts.sum(axis=1), counts.sum(axis=0)
        union = truth + predicted - np.diag(counts)
        iou = _ratio(hit, union)
        return cls(
            iou=iou,
            accuracy=_ratio(hit, truth),
            dice=_ratio(2 * hit, truth + predicted),
            miou=float(np.mean(iou[union > 0])) if (union > 0).any() else float("nan"),
            miou_all=float(np.mean(np.nan_to_num(iou))),
            pixel_accuracy=float(hit.sum() / counts.sum()) if counts.any() else float("nan"),
        )


def _ratio(part: NDArray[np.float64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.full(whole.shape, np.nan)
    return np.divide(part, whole, out=ratio, where=whole > 0)

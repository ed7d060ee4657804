"""Boundary IoU: how well the contours agree, which the IoU of a large region hardly shows.

B. Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021,
arXiv 2103.16562.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scribbleseg.evaluation.confusion import count_pairs
from scribbleseg.evaluation.undefined import mean_of_defined, ratio

__all__ = ["BoundaryCounts", "boundary_counts", "boundary_width"]

BAND = 1 << 20
"""Pixels that are looked at together, so that large images need little memory."""


@dataclass(frozen=True)
class BoundaryCounts:
    """Pixels of the classes' boundary regions; the counts of parts of a set add up exactly.

    Args:
        intersection: ``(K,)`` int64, pixels in the boundary regions of truth and prediction.
        union: ``(K,)`` int64, pixels in either.
        dilation_ratio: Width of the regions as a share of the image's diagonal.
    """

    intersection: NDArray[np.int64]
    union: NDArray[np.int64]
    dilation_ratio: float

    def __add__(self, other: "BoundaryCounts") -> "BoundaryCounts":
        """Counts of both parts of a set."""
        if self.dilation_ratio != other.dilation_ratio:
            raise ValueError(
                f"dilation ratios differ: {self.dilation_ratio} {other.dilation_ratio}"
            )
        return BoundaryCounts(
            self.intersection + other.intersection, self.union + other.union, self.dilation_ratio
        )

    @property
    def iou(self) -> NDArray[np.float64]:
        """``(K,)`` boundary IoU; NaN for classes absent from truth and prediction."""
        return ratio(self.intersection, self.union)

    @property
    def miou(self) -> float:
        """Mean over the classes that are present in truth or prediction; NaN if none is."""
        return float(mean_of_defined(self.iou))

    def as_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "dilation_ratio": self.dilation_ratio,
            "miou": self.miou,
            "classes": dict(zip(class_names, self.iou, strict=True)),
            "intersection": self.intersection,
            "union": self.union,
        }


def boundary_counts(
    prediction: NDArray[np.integer],
    mask: NDArray[np.integer],
    *,
    num_classes: int,
    ignore_index: int = 255,
    dilation_ratio: float = 0.02,
) -> BoundaryCounts:
    """Boundary regions of one prediction against those of the truth.

    The boundary region of a class is the part of it that `boundary_width` erosions by a 3 x 3
    square take away, i.e. its pixels up to that chessboard distance from a pixel outside; beyond
    the border of the image is outside. Pixels that do not count are outside every class, in the
    prediction too: nothing that was predicted there has an influence, and an exact prediction of
    the rest has a boundary IoU of 1.

    Args:
        prediction: ``(H, W)`` class indices below ``num_classes``.
        mask: ``(H, W)`` class indices, or ``ignore_index`` for pixels that do not count.
        num_classes: K.
        ignore_index: Value of pixels to leave out.
        dilation_ratio: Width of the regions as a share of the image's diagonal.

    >>> mask = np.zeros((9, 9), np.uint8)
    >>> mask[2:7, 2:7] = 1  # 25 pixels, of which the outer 16 are its boundary region
    >>> boundary_counts(np.roll(mask, 1, axis=1), mask, num_classes=2).intersection[1]
    np.int64(8)
    """
    height, width = mask.shape
    reach = min(boundary_width(height, width, dilation_ratio), max(height, width))
    counts = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    rows = max(BAND // width, 4 * reach)
    for start in range(0, height, rows):
        # With a margin as wide as the strips a band has the strips of the whole image.
        margin = min(reach, start)
        band = slice(start - margin, start + rows + reach)
        pair, ignored = (mask[band], prediction[band]), mask[band] == ignore_index
        true, predicted = (
            label[margin : margin + rows]
            for label in _boundary_regions(pair, ignored, num_classes, reach)
        )
        counts += count_pairs(true, predicted, (num_classes + 1, num_classes + 1))
    intersection = np.diag(counts)[:-1].copy()
    return BoundaryCounts(
        intersection,
        counts.sum(axis=1)[:-1] + counts.sum(axis=0)[:-1] - intersection,
        dilation_ratio,
    )


def boundary_width(height: int, width: int, dilation_ratio: float = 0.02) -> int:
    """Width of the boundary regions of an image, pixels; at least 1.

    >>> boundary_width(375, 500)
    12
    """
    return max(1, round(dilation_ratio * math.hypot(height, width)))


def _boundary_regions(
    labels: Sequence[NDArray[Any]], ignored: NDArray[np.bool_], num_classes: int, reach: int
) -> Iterator[NDArray[Any]]:
    """Label images with K, which stands for "no class", inside the regions and where ignored.

    A pixel is at the edge of its region where the smallest and the largest label around it differ,
    and in the strip where an edge is less than ``reach`` away: the straight way from a pixel to the
    nearest one outside its region leaves the region at an edge of the same region. So all classes
    are done at once, whatever the reach.
    """
    kind: type[np.unsignedinteger] = np.uint8 if num_classes <= 255 else np.uint16
    nothing = kind(num_classes)
    around, values = np.ones((3, 3), np.uint8), np.iinfo(kind)
    for label in labels:
        # K is above all classes, so that the larger of two labels is K where one is.
        known = np.minimum(label.astype(kind, copy=False), nothing)
        known = np.maximum(known, ignored * nothing)
        low = cv2.erode(known, around, borderType=cv2.BORDER_CONSTANT, borderValue=values.min)
        high = cv2.dilate(known, around, borderType=cv2.BORDER_CONSTANT, borderValue=values.max)
        edges = cv2.boxFilter(
            (low != high).view(np.uint8),
            cv2.CV_32F,
            (2 * reach - 1, 2 * reach - 1),
            normalize=False,
            borderType=cv2.BORDER_CONSTANT,
        )
        yield np.maximum(known, (edges == 0) * nothing)

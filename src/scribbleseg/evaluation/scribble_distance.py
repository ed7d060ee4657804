"""Where predictions fail: accuracy as a function of the distance from the nearest stroke."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from scribbleseg.evaluation.confusion import count_pairs
from scribbleseg.evaluation.undefined import ratio, shown

__all__ = ["BINS", "DistanceProfile", "distance_profile"]

EDGES = (0, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Upper ends of the bins, pixels; the last bin has none."""

BINS = (
    "on a stroke",
    *(f"{low} to {high}" for low, high in itertools.pairwise(EDGES)),
    f"over {EDGES[-1]}",
)
"""Names of the bins; a distance that is an end of two bins is in the lower one."""


BAND = 1 << 22
"""Pixels that are looked at together, so that large images need little memory."""

READING = (
    "Errors that lie far from the strokes call for more strokes; errors beside them, for better "
    "boundaries; errors on them, for a look at the strokes."
)


@dataclass(frozen=True)
class DistanceProfile:
    """Pixels by true class and distance; the counts of parts of a set add up exactly.

    Args:
        pixels: ``(K, 11)`` int64, pixels of each true class in each of `BINS`.
        right: ``(K, 11)`` int64, those of them that are predicted rightly.
        images: Number of images with a stroke.
        undrawn: Number of images without any; they are in no bin.
    """

    pixels: NDArray[np.int64]
    right: NDArray[np.int64]
    images: int
    undrawn: int

    def __add__(self, other: "DistanceProfile") -> "DistanceProfile":
        """Counts of both parts of a set."""
        return DistanceProfile(
            self.pixels + other.pixels,
            self.right + other.right,
            self.images + other.images,
            self.undrawn + other.undrawn,
        )

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """``(11,)`` share of the pixels in each bin that are right; NaN in empty ones."""
        return ratio(self.right.sum(axis=0), self.pixels.sum(axis=0))

    @property
    def class_accuracy(self) -> NDArray[np.float64]:
        """``(K, 11)`` the same for the pixels of each true class."""
        return ratio(self.right, self.pixels)

    @property
    def share_of_pixels(self) -> NDArray[np.float64]:
        """``(11,)`` share of all pixels that lies in each bin; NaN if there are none."""
        return _shares(self.pixels)

    @property
    def share_of_errors(self) -> NDArray[np.float64]:
        """``(11,)`` share of all wrong pixels that lies in each bin; NaN if there are none."""
        return _shares(self.pixels - self.right)

    def as_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Plain values for JSON; distances in pixels."""
        columns = (
            (None, *EDGES),
            (*EDGES, None),
            self.pixels.sum(axis=0),
            self.right.sum(axis=0),
            self.accuracy,
            self.share_of_pixels,
            self.share_of_errors,
        )
        names = ("above", "up_to", "pixels", "right", "accuracy", "of_pixels", "of_errors")
        return {
            "images": self.images,
            "images_without_strokes": self.undrawn,
            "bins": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)],
            "classes": {
                name: {"pixels": pixels, "right": right}
                for name, pixels, right in zip(class_names, self.pixels, self.right, strict=True)
            },
        }

    def table(self) -> Table:
        """The bins up to the last one with a pixel, for the terminal."""
        table = Table(title=f"{self.images} images, by distance from the nearest stroke")
        for column in ("distance, px", "accuracy", "share of pixels", "share of errors"):
            table.add_column(column, justify="left" if column == "distance, px" else "right")
        for row in zip(
            self.bins, self.accuracy, self.share_of_pixels, self.share_of_errors, strict=False
        ):
            table.add_row(row[0], *(shown(value) for value in row[1:]))
        without = f" {self.undrawn} images have no stroke and are left out." if self.undrawn else ""
        table.caption = f"{self.summary()} {READING}{without}"
        return table

    @property
    def bins(self) -> tuple[str, ...]:
        """Names of the bins up to the last one with a pixel."""
        return BINS[: int(np.flatnonzero(self.pixels.any(axis=0)).max(initial=-1)) + 1]

    def summary(self) -> str:
        """One sentence: where the errors are."""
        wrong = (self.pixels - self.right).sum(axis=0)
        if not wrong.any():
            return "There are no errors."
        errors, pixels = _half(wrong), _half(self.pixels.sum(axis=0))
        if errors == pixels:
            return f"Half of the errors, like half of all pixels, lie {errors}."
        return f"Half of the errors lie {errors}; half of all pixels lie {pixels}."


def distance_profile(
    prediction: NDArray[np.integer],
    mask: NDArray[np.integer],
    scribble: NDArray[np.integer] | None,
    *,
    num_classes: int,
    ignore_index: int = 255,
) -> DistanceProfile:
    """Right and wrong pixels of one prediction by their distance from the nearest stroke.

    The distance is the exact Euclidean one, in pixels, between the centres of a pixel and of the
    nearest labelled pixel of the scribble, of whatever class.

    Args:
        prediction: ``(H, W)`` class indices below ``num_classes``.
        mask: ``(H, W)`` class indices, or ``ignore_index`` for pixels that do not count.
        scribble: ``(H, W)`` class indices, or ``ignore_index`` where nothing is drawn; None for an
            image without scribble.
        num_classes: K.
        ignore_index: Value of pixels to leave out.

    >>> scribble, mask = np.full((1, 8), 255, np.uint8), np.zeros((1, 8), np.uint8)
    >>> scribble[0, 0] = 0
    >>> prediction = np.array([[0, 0, 0, 0, 0, 0, 1, 1]], np.uint8)  # 6 and 7 pixels from it
    >>> distance_profile(prediction, mask, scribble, num_classes=2).accuracy[:5]
    array([1. , 1. , 1. , 0.33333333, nan])
    """
    counts = np.zeros((num_classes, 2 * len(BINS)), np.int64)
    drawn = scribble is not None and bool((scribble != ignore_index).any())
    if scribble is not None and drawn:
        height, width = mask.shape
        rows = max(BAND // width, 2 * EDGES[-1])
        for start in range(0, height, rows):
            # Nothing is asked about distances above the last edge, so a margin of it is enough.
            margin = min(EDGES[-1], start)
            near = scribble[start - margin : start + rows + EDGES[-1]]
            distance = _distance(near == ignore_index)[margin : margin + rows]
            band = slice(start, start + rows)
            # The bin, and in the upper half of the values those of right pixels.
            place = (prediction[band] == mask[band]) * np.uint8(len(BINS))
            for edge in EDGES:
                place += distance > edge
            counts += count_pairs(mask[band], place, (num_classes, 2 * len(BINS)))
    if 0 <= ignore_index < num_classes:
        counts[ignore_index] = 0
    wrong, right = np.hsplit(counts, 2)
    return DistanceProfile(wrong + right, right, int(drawn), int(not drawn))


def _distance(unlabelled: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Exact distance from the nearest labelled pixel; infinite where there is none."""
    if unlabelled.all():
        return np.full(unlabelled.shape, np.inf, np.float32)
    distance: NDArray[np.float32] = cv2.distanceTransform(
        unlabelled.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )  # type: ignore[assignment]
    return distance


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    total = counts.sum(axis=0)
    return ratio(total, np.full(total.shape, total.sum()))


def _half(counts: NDArray[np.int64]) -> str:
    """The distance within which half of the pixels lie, as far as the bins tell."""
    place = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    if place == 0:
        return "on a stroke"
    if place == len(EDGES):
        return f"more than {EDGES[-1]} pixels from a stroke"
    return f"within {EDGES[place]} pixels of a stroke"

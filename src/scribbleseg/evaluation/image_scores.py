"""Scores of single images, and their means over a set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from scribbleseg.evaluation.confusion import Counts, Scores
from scribbleseg.evaluation.means_table import means_table
from scribbleseg.evaluation.surface import hausdorff95
from scribbleseg.evaluation.undefined import mean_of_defined, ratio

__all__ = ["ImageMeans", "ImageScores", "image_hd95", "mean_over_images"]


@dataclass(frozen=True)
class ImageScores:
    """What one image says.

    Args:
        hit: ``(K,)`` int64, pixels of each class that were rightly predicted.
        truth: ``(K,)`` int64, counted pixels in the truth.
        predicted: ``(K,)`` int64, counted pixels in the prediction.
        hd95: ``(K,)`` pixels, NaN where a class is not in both; None if it was not asked for.
    """

    hit: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    hd95: NDArray[np.float64] | None = None

    @classmethod
    def from_counts(cls, counts: Counts, hd95: NDArray[np.float64] | None = None) -> "ImageScores":
        """The scores of one image's confusion matrix.

        >>> ImageScores.from_counts(np.array([[3, 1], [0, 4]])).scores.miou
        0.775
        """
        return cls(np.diag(counts).copy(), counts.sum(axis=1), counts.sum(axis=0), hd95)

    @property
    def scores(self) -> Scores:
        """IoU, accuracy and Dice of the image's own pixels."""
        return Scores.from_totals(self.hit, self.truth, self.predicted)


@dataclass(frozen=True)
class ImageMeans:
    """Means over images, as papers on 2-D medical images report them.

    Args:
        images: Number of images.
        dice: ``(K,)`` mean over the images with the class in truth or prediction; NaN if there is
            none.
        hd95: ``(K,)`` pixels, mean over the images with the class in both; None if it was not asked
            for.
        empty_prediction: ``(K,)`` images with the class where none was predicted: Dice 0, no HD95.
        empty_truth: ``(K,)`` images without the class where some was predicted: Dice 0, no HD95.
        empty_both: ``(K,)`` images left out because the class is in neither.
    """

    images: int
    dice: NDArray[np.float64]
    hd95: NDArray[np.float64] | None
    empty_prediction: NDArray[np.int64]
    empty_truth: NDArray[np.int64]
    empty_both: NDArray[np.int64]

    def as_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Plain values for JSON; ``foreground`` leaves out class 0."""
        measures = {"dice": self.dice}
        if self.hd95 is not None:
            measures["hd95_px"] = self.hd95
        counts = {
            "empty_prediction": self.empty_prediction,
            "empty_truth": self.empty_truth,
            "empty_both": self.empty_both,
        }
        result: dict[str, Any] = {}
        for name, values in measures.items():
            result[f"mean_{name}"] = mean_of_defined(values)
            result[f"mean_{name}_foreground"] = mean_of_defined(values[1:])
        result["classes"] = {
            name: {key: values[index] for key, values in {**measures, **counts}.items()}
            for index, name in enumerate(class_names)
        }
        return result

    def table(self, class_names: Sequence[str]) -> Table:
        """The means and what is left out of them, for the terminal."""
        return means_table(
            f"{self.images} images, each scored alone",
            class_names,
            self.dice,
            np.full(self.dice.shape, np.nan) if self.hd95 is None else self.hd95,
            (self.empty_prediction, self.empty_truth, self.empty_both),
            unit="px",
            background=True,
        )


def mean_over_images(images: Iterable[ImageScores]) -> ImageMeans | None:
    """The means of a set; None of an empty one.

    >>> one, two = (ImageScores.from_counts(np.diag(hits)) for hits in ([4, 0], [3, 1]))
    >>> mean_over_images([one, two]).empty_both
    array([0, 1])
    """
    kept = list(images)
    if not kept:
        return None
    hit, truth, predicted = (
        np.stack([getattr(image, name) for image in kept]) for name in ("hit", "truth", "predicted")
    )
    distances = [image.hd95 for image in kept if image.hd95 is not None]
    return ImageMeans(
        images=len(kept),
        dice=mean_of_defined(ratio(2 * hit, truth + predicted)),
        hd95=mean_of_defined(np.stack(distances)) if distances else None,
        empty_prediction=((truth > 0) & (predicted == 0)).sum(axis=0),
        empty_truth=((truth == 0) & (predicted > 0)).sum(axis=0),
        empty_both=((truth == 0) & (predicted == 0)).sum(axis=0),
    )


def image_hd95(
    prediction: NDArray[np.integer],
    mask: NDArray[np.integer],
    *,
    num_classes: int,
    ignore_index: int = 255,
) -> NDArray[np.float64]:
    """HD95 of each class ``(K,)``, pixels; NaN where a class is not in both.

    Args:
        prediction: ``(H, W)`` class indices below ``num_classes``.
        mask: ``(H, W)`` class indices, or ``ignore_index`` for pixels that do not count: they are
            in no class, in the prediction neither.
        num_classes: K.
        ignore_index: Value of pixels to leave out.

    >>> mask, prediction = np.array([[0, 1, 1, 1]]), np.array([[0, 0, 0, 1]])
    >>> image_hd95(prediction, mask, num_classes=3)
    array([1.85, 1.85,  nan])
    """
    counted = mask != ignore_index
    return np.array(
        [
            hausdorff95((prediction == index) & counted, (mask == index) & counted, (1, 1))
            for index in range(num_classes)
        ]
    )

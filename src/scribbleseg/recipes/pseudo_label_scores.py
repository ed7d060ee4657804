"""How good pseudo labels are, where the truth is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from scribbleseg.annotation.audit import check_label
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.errors import DataError
from scribbleseg.evaluation.comparison import in_order
from scribbleseg.evaluation.confusion import Counts, Scores, confusion_matrix

__all__ = ["PseudoLabelScores", "score_pseudo_labels"]


@dataclass(frozen=True)
class PseudoLabelScores:
    """Scores of the labelled pixels; undecided ones are counted apart.

    Args:
        images: Number of pseudo labels.
        compared: Those of images with a mask.
        class_names: Names of the K classes.
        counts: ``(K, K)`` pixels with a label and a truth, rows = truth.
        labelled: Share of all pixels that have a pseudo label, 0..1.
    """

    images: int
    compared: int
    class_names: tuple[str, ...]
    counts: Counts
    labelled: float

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; undefined scores are None."""
        scores = Scores.from_counts(self.counts)
        return {
            "images": self.images,
            "compared": self.compared,
            "labelled_fraction": self.labelled,
            "miou": _plain(scores.miou),
            "miou_all": scores.miou_all if self.compared else None,
            "pixel_accuracy": _plain(scores.pixel_accuracy),
            "iou": {
                name: _plain(value)
                for name, value in zip(self.class_names, scores.iou, strict=True)
            },
        }

    def print(self, console: Console) -> None:
        """Print one line, and the table of classes where there are masks."""
        if self.compared:
            scores = Scores.from_counts(self.counts)
            table = Table(title=f"pseudo labels against {self.compared} masks")
            table.add_column("class")
            table.add_column("IoU", justify="right")
            for name, iou in zip(self.class_names, scores.iou, strict=True):
                table.add_row(name, "-" if math.isnan(iou) else f"{iou:.3f}")
            table.add_section()
            table.add_row("mean, classes present", f"{scores.miou:.3f}")
            console.print(table)
        console.print(f"{self.labelled:.1%} of the pixels are labelled", soft_wrap=True)


def score_pseudo_labels(
    pairs: Sequence[tuple[Path, Path | None]],
    class_names: Sequence[str],
    *,
    ignore_index: int = 255,
) -> PseudoLabelScores:
    """Compare pseudo labels with masks.

    Args:
        pairs: Pseudo label, and mask where there is one.
        class_names: Names of the K classes.
        ignore_index: Value of undecided pixels, and of pixels that do not count in the mask.

    Raises:
        DataError: A file cannot be read, sizes differ, or a value is no class.
    """
    num_classes = len(class_names)

    def read(path: Path) -> tuple[LabelImage, NDArray[np.bool_]]:
        """A label image, and where it has a label."""
        label = read_label(path)
        known = label != ignore_index
        if (known & (label >= num_classes)).any():
            check_label(path, label, num_classes=num_classes, ignore_index=ignore_index)
        return label, known

    def count(pair: tuple[Path, Path | None]) -> tuple[Counts, int, int]:
        path, mask_path = pair
        label, decided = read(path)
        counts: Counts = np.zeros((num_classes, num_classes), np.int64)
        if mask_path is not None:
            mask, _ = read(mask_path)
            if label.shape != mask.shape:
                (height, width), (true_height, true_width) = label.shape, mask.shape
                raise DataError(
                    f"{path}: {width}x{height} pixels, but {mask_path} has "
                    f"{true_width}x{true_height}; a pseudo label has the size of its image"
                )
            counts += confusion_matrix(
                label[decided], mask[decided], num_classes=num_classes, ignore_index=ignore_index
            )
        return counts, int(np.count_nonzero(decided)), label.size

    counts: Counts = np.zeros((num_classes, num_classes), np.int64)
    labelled = total = 0
    for image_counts, image_labelled, pixels in in_order(count, pairs):
        counts += image_counts
        labelled, total = labelled + image_labelled, total + pixels
    return PseudoLabelScores(
        images=len(pairs),
        compared=sum(mask is not None for _, mask in pairs),
        class_names=tuple(class_names),
        counts=counts,
        labelled=labelled / max(total, 1),
    )


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)

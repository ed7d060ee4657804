"""Comparing predicted with true label images, and saying so as table and JSON."""

import io
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from scribbleseg.annotation.audit import check_label
from scribbleseg.annotation.label_image import LabelImage, read_label
from scribbleseg.errors import DataError
from scribbleseg.evaluation.confusion import Counts, Scores, confusion_matrix
from scribbleseg.evaluation.volumes import Volume, VolumeScores, score_volumes

__all__ = ["Report", "compare_label_images"]


@dataclass(frozen=True)
class Report:
    """Scores of a set of images.

    Args:
        images: Number of images.
        class_names: Names of the K classes.
        counts: ``(K, K)`` pixel counts, rows = truth.
        volumes: 3-D scores, where slices make volumes.
        image_scores: Mean IoU of each image over the classes present in it, where it was kept.
    """

    images: int
    class_names: tuple[str, ...]
    counts: Counts
    volumes: VolumeScores | None = None
    image_scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def scores(self) -> Scores:
        """Scores of the pooled pixels."""
        return Scores.from_counts(self.counts)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; undefined numbers are null."""
        scores = self.scores
        result: dict[str, Any] = {
            "images": self.images,
            "miou": scores.miou,
            "miou_all": scores.miou_all,
            "pixel_accuracy": scores.pixel_accuracy,
            "classes": {
                name: {"iou": iou, "accuracy": accuracy, "dice": dice}
                for name, iou, accuracy, dice in zip(
                    self.class_names, scores.iou, scores.accuracy, scores.dice, strict=True
                )
            },
            "confusion": self.counts.tolist(),
        }
        if self.volumes is not None:
            result["volumes"] = _volumes_dict(self.volumes)
        plain: dict[str, Any] = json.loads(json.dumps(_without_nan(result)))
        return plain

    def as_text(self) -> str:
        """The tables, as plain text."""
        width = max(100, shutil.get_terminal_size().columns)
        console = Console(file=io.StringIO(), width=width, markup=False)
        self.print(console)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    def print(self, console: Console) -> None:
        """Print the tables."""
        scores = self.scores
        table = Table(title=f"{self.images} images, pooled pixels")
        for column in ("class", "IoU", "accuracy", "Dice"):
            table.add_column(column, justify="left" if column == "class" else "right")
        for name, *values in zip(
            self.class_names, scores.iou, scores.accuracy, scores.dice, strict=True
        ):
            table.add_row(name, *(_number(value) for value in values))
        table.add_section()
        table.add_row(
            "mean, classes present",
            _number(scores.miou),
            _number(mean_of_defined(scores.accuracy)),
            _number(mean_of_defined(scores.dice)),
        )
        table.add_row("mean, absent = 0", _number(scores.miou_all), "", "")
        table.add_row("all pixels", "", _number(scores.pixel_accuracy), "")
        console.print(table)
        if self.volumes is not None:
            console.print(_volume_table(self.volumes))


def compare_label_images(
    pairs: Sequence[tuple[str, Path, Path]],
    class_names: Sequence[str],
    *,
    ignore_index: int = 255,
    volumes: Sequence[Volume] = (),
) -> Report:
    """Scores of predicted label images.

    Args:
        pairs: (id, predicted label image, true label image).
        class_names: Names of the classes.
        ignore_index: Label value in the truth that does not count.
        volumes: Volumes to score in 3-D; those of which no slice is among the ids are left out.

    Raises:
        DataError: A file cannot be read, sizes differ, a value is out of range, a predicted pixel
            is unlabelled, or only some slices of a volume are there.
    """
    num_classes = len(class_names)
    counts: Counts = np.zeros((num_classes, num_classes), np.int64)
    image_scores: dict[str, float] = {}
    # Volumes need all their slices at once; only those that belong to one are kept.
    kept: dict[str, tuple[LabelImage, LabelImage]] = {}
    names = {name for name, _, _ in pairs}
    present = [volume for volume in volumes if not names.isdisjoint(volume.slices)]
    for volume in present:
        missing = [name for name in volume.slices if name not in names]
        if missing:
            raise DataError(
                f"volume {volume.name}: {len(missing)} of its {len(volume.slices)} slices are not "
                f"among the images, e.g. {missing[0]}; "
                "add them, or leave the volumes out"
            )
    needed = {name for volume in present for name in volume.slices}
    for name, predicted_path, true_path in pairs:
        predicted, true = read_label(predicted_path), read_label(true_path)
        if predicted.shape != true.shape:
            raise DataError(
                f"{predicted_path}: {predicted.shape[1]}x{predicted.shape[0]} pixels, but "
                f"{true_path} has "
                f"{true.shape[1]}x{true.shape[0]}; predictions must have their image's size"
            )
        check_label(true_path, true, num_classes=num_classes, ignore_index=ignore_index)
        predicted_pixels = check_label(
            predicted_path, predicted, num_classes=num_classes, ignore_index=ignore_index
        )
        if predicted_pixels.sum() != predicted.size:
            raise DataError(
                f"{predicted_path}: {predicted.size - predicted_pixels.sum()} pixels have value "
                f"{ignore_index} (unlabelled); "
                f"a prediction is one of 0..{num_classes - 1} everywhere"
            )
        own_counts = confusion_matrix(
            predicted, true, num_classes=num_classes, ignore_index=ignore_index
        )
        counts += own_counts
        image_scores[name] = Scores.from_counts(own_counts).miou
        if name in needed:
            kept[name] = predicted, true
    volume_scores = None
    if present:
        volume_scores = score_volumes(
            present,
            lambda name: kept[name][0],
            lambda name: kept[name][1],
            class_names,
            ignore_index=ignore_index,
        )
    return Report(len(pairs), tuple(class_names), counts, volume_scores, image_scores)


def _volume_table(volumes: VolumeScores) -> Table:
    table = Table(title=f"{len(volumes.names)} volumes, 3-D at native resolution")
    for column in ("class", "Dice", "HD95 mm", "none predicted", "none true", "in neither"):
        table.add_column(column, justify="left" if column == "class" else "right")
    counts = zip(volumes.empty_prediction, volumes.empty_truth, volumes.empty_both, strict=True)
    for name, dice, hd95, empties in zip(
        volumes.class_names, volumes.mean_dice, volumes.mean_hd95, counts, strict=True
    ):
        table.add_row(name, _number(dice), _number(hd95, 1), *(str(count) for count in empties))
    table.add_section()
    table.add_row(
        "mean",
        _number(mean_of_defined(volumes.mean_dice)),
        _number(mean_of_defined(volumes.mean_hd95), 1),
        str(volumes.empty_prediction.sum()),
        str(volumes.empty_truth.sum()),
        str(volumes.empty_both.sum()),
    )
    table.caption = (
        "none predicted: counts as Dice 0, has no HD95. none true: the same. in neither: left out "
        "of both means."
    )
    return table


def _volumes_dict(volumes: VolumeScores) -> dict[str, Any]:
    return {
        "count": len(volumes.names),
        "mean_dice": mean_of_defined(volumes.mean_dice),
        "mean_hd95_mm": mean_of_defined(volumes.mean_hd95),
        "classes": {
            name: {
                "dice": volumes.mean_dice[index],
                "hd95_mm": volumes.mean_hd95[index],
                "empty_prediction": int(volumes.empty_prediction[index]),
                "empty_truth": int(volumes.empty_truth[index]),
                "empty_both": int(volumes.empty_both[index]),
            }
            for index, name in enumerate(volumes.class_names)
        },
        "each": [
            {"name": name, "dice": dices.tolist(), "hd95_mm": distances.tolist()}
            for name, dices, distances in zip(
                volumes.names, volumes.dice, volumes.hd95, strict=True
            )
        ],
    }


def _number(value: float, digits: int = 3) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def mean_of_defined(values: Any) -> float:
    """Mean without NaN; NaN if nothing is defined."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value

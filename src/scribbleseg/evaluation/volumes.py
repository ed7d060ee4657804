"""3-D scores of stacked slices: Dice and HD95 of each volume and class."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from scribbleseg.errors import DataError
from scribbleseg.evaluation.means_table import means_table
from scribbleseg.evaluation.surface import hausdorff95
from scribbleseg.evaluation.undefined import mean_of_defined

__all__ = [
    "Volume",
    "VolumeScores",
    "dice",
    "read_volumes",
    "score_volumes",
]

Bools = NDArray[np.bool_]
COLUMNS = ("patient", "frame", "spacing_z", "spacing_y", "spacing_x", "slices")


@dataclass(frozen=True)
class Volume:
    """A stack of slices.

    Args:
        name: Patient and frame.
        slices: Ids of the slices in order.
        spacing: Distance of neighbouring voxels along (slice, row, column), mm.
    """

    name: str
    slices: tuple[str, ...]
    spacing: tuple[float, float, float]


def read_volumes(path: Path) -> list[Volume]:
    """The volumes that a CSV describes.

    Columns: patient, frame, spacing_z, spacing_y, spacing_x (mm) and slices (ids, space-separated).

    Raises:
        DataError: The file or a column is missing, or a spacing is no positive number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; it should say which slices make a volume") from None
    volumes = []
    for number, row in enumerate(rows, start=2):
        missing = [column for column in COLUMNS if not row.get(column)]
        if missing:
            raise DataError(
                f"{path}: line {number} has no {missing[0]!r}; columns are {', '.join(COLUMNS)}"
            )
        try:
            spacing = (float(row["spacing_z"]), float(row["spacing_y"]), float(row["spacing_x"]))
        except ValueError as error:
            raise DataError(f"{path}: line {number}: {error}; spacings are in mm") from None
        if not min(spacing) > 0:
            raise DataError(f"{path}: line {number}: spacing {spacing} mm must be positive")
        volumes.append(
            Volume(f"{row['patient']}_{row['frame']}", tuple(row["slices"].split()), spacing)
        )
    return volumes


def dice(prediction: Bools, truth: Bools) -> float:
    """Dice coefficient of two regions of the same shape, in [0, 1]; NaN if both are empty.

    >>> dice(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    size = int(prediction.sum()) + int(truth.sum())
    return 2 * int((prediction & truth).sum()) / size if size else float("nan")


@dataclass(frozen=True)
class VolumeScores:
    """Scores of every volume and class; class 0, the background, is left out.

    Args:
        names: Names of the V volumes.
        class_names: Names of the K - 1 classes.
        dice: ``(V, K-1)``; NaN where class is in neither prediction nor truth.
        hd95: ``(V, K-1)`` mm; NaN where prediction or truth is empty.
        empty_prediction: ``(K-1,)`` volumes with the class where none was predicted: Dice 0, no
            HD95.
        empty_truth: ``(K-1,)`` volumes without the class where some was predicted: Dice 0, no HD95.
        empty_both: ``(K-1,)`` volumes left out because class is in neither.
    """

    names: tuple[str, ...]
    class_names: tuple[str, ...]
    dice: NDArray[np.float64]
    hd95: NDArray[np.float64]
    empty_prediction: NDArray[np.int64]
    empty_truth: NDArray[np.int64]
    empty_both: NDArray[np.int64]

    @property
    def mean_dice(self) -> NDArray[np.float64]:
        """``(K-1,)`` mean over the volumes that count."""
        mean: NDArray[np.float64] = mean_of_defined(self.dice)
        return mean

    @property
    def mean_hd95(self) -> NDArray[np.float64]:
        """``(K-1,)`` mean over the volumes where it is defined, mm."""
        mean: NDArray[np.float64] = mean_of_defined(self.hd95)
        return mean

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "count": len(self.names),
            "mean_dice": mean_of_defined(self.mean_dice),
            "mean_hd95_mm": mean_of_defined(self.mean_hd95),
            "classes": {
                name: {
                    "dice": self.mean_dice[index],
                    "hd95_mm": self.mean_hd95[index],
                    "empty_prediction": self.empty_prediction[index],
                    "empty_truth": self.empty_truth[index],
                    "empty_both": self.empty_both[index],
                }
                for index, name in enumerate(self.class_names)
            },
            "each": [
                {"name": name, "dice": dices, "hd95_mm": distances}
                for name, dices, distances in zip(self.names, self.dice, self.hd95, strict=True)
            ],
        }

    def table(self) -> Table:
        """The means and what is left out of them, for the terminal."""
        return means_table(
            f"{len(self.names)} volumes, 3-D at native resolution",
            self.class_names,
            self.mean_dice,
            self.mean_hd95,
            (self.empty_prediction, self.empty_truth, self.empty_both),
            unit="mm",
            background=False,
        )


def score_volumes(
    volumes: Sequence[Volume],
    prediction: Callable[[str], NDArray[Any]],
    truth: Callable[[str], NDArray[Any]],
    class_names: Sequence[str],
    *,
    ignore_index: int = 255,
) -> VolumeScores:
    """Dice and HD95 of each volume and class at the slices' own resolution.

    Args:
        volumes: Slices and spacing of each volume.
        prediction: Label image ``(H, W)`` predicted for a slice.
        truth: Label image ``(H, W)`` of a slice.
        class_names: Names of all K classes, background first.
        ignore_index: Label of pixels in the truth that do not count: background in both.
    """
    shape = (len(volumes), len(class_names) - 1)
    dices, distances = np.full(shape, np.nan), np.full(shape, np.nan)
    empty = np.zeros((2, 2, shape[1]), np.int64)  # [predicted?, true?]
    for row, volume in enumerate(volumes):
        predicted = np.stack([prediction(name) for name in volume.slices])
        true = np.stack([truth(name) for name in volume.slices])
        predicted[true == ignore_index] = 0
        for column in range(shape[1]):
            pair = predicted == column + 1, true == column + 1
            dices[row, column] = dice(*pair)
            distances[row, column] = hausdorff95(*pair, volume.spacing)
            empty[int(pair[0].any()), int(pair[1].any()), column] += 1
    return VolumeScores(
        names=tuple(volume.name for volume in volumes),
        class_names=tuple(class_names[1:]),
        dice=dices,
        hd95=distances,
        empty_prediction=empty[0, 1],
        empty_truth=empty[1, 0],
        empty_both=empty[0, 0],
    )

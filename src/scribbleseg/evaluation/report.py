"""What a comparison of label images found, as tables and as JSON."""

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from scribbleseg.evaluation.boundary import BoundaryCounts
from scribbleseg.evaluation.confusion import Counts, Scores
from scribbleseg.evaluation.image_scores import ImageMeans, ImageScores, mean_over_images
from scribbleseg.evaluation.scribble_distance import DistanceProfile
from scribbleseg.evaluation.undefined import mean_of_defined, shown, without_nan
from scribbleseg.evaluation.volumes import VolumeScores

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """Scores of a set of images.

    Args:
        images: Number of images.
        class_names: Names of the K classes.
        counts: ``(K, K)`` pixel counts, rows = truth.
        volumes: 3-D scores, where slices make volumes.
        image_scores: Scores of each image by its id, where they were kept.
        boundary: Counts of the boundary regions, where they were made.
        scribble_distance: Right and wrong pixels by distance from the nearest stroke, where
            scribbles were given.
        skipped: Images that are in no number because a file cannot be read: id and reason.
        volumes_left_out: Volumes that are in no number because a slice was skipped.
    """

    images: int
    class_names: tuple[str, ...]
    counts: Counts
    volumes: VolumeScores | None = None
    image_scores: Mapping[str, ImageScores] = field(default_factory=dict)
    boundary: BoundaryCounts | None = None
    scribble_distance: DistanceProfile | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    volumes_left_out: tuple[str, ...] = ()

    @property
    def scores(self) -> Scores:
        """Scores of the pooled pixels."""
        return Scores.from_counts(self.counts)

    @property
    def image_means(self) -> ImageMeans | None:
        """Means over the images, where their scores were kept."""
        return mean_over_images(self.image_scores.values())

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; undefined numbers are null."""
        scores = self.scores
        result: dict[str, Any] = {
            "images": self.images,
            "skipped": dict(self.skipped),
            "volumes_left_out": list(self.volumes_left_out),
            "miou": scores.miou,
            "miou_all": scores.miou_all,
            "pixel_accuracy": scores.pixel_accuracy,
            "classes": {
                name: {"iou": iou, "accuracy": accuracy, "dice": dice}
                for name, iou, accuracy, dice in zip(
                    self.class_names, scores.iou, scores.accuracy, scores.dice, strict=True
                )
            },
            "confusion": self.counts,
        }
        if self.boundary is not None:
            result["boundary"] = self.boundary.as_dict(self.class_names)
        means = self.image_means
        if means is not None:
            result["image_means"] = means.as_dict(self.class_names)
        if self.scribble_distance is not None:
            result["scribble_distance"] = self.scribble_distance.as_dict(self.class_names)
        if self.volumes is not None:
            result["volumes"] = self.volumes.as_dict()
        plain: dict[str, Any] = without_nan(result)
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
        means = self.image_means
        console.print(self._class_table(means))
        if means is not None and means.hd95 is not None:
            console.print(means.table(self.class_names))
        if self.scribble_distance is not None and self.scribble_distance.images:
            console.print(self.scribble_distance.table())
        if self.volumes is not None:
            console.print(self.volumes.table())
        for line in self.omissions():
            console.print(line, soft_wrap=True)

    def omissions(self) -> list[str]:
        """What is in no number though it was given, a line each; nothing where all was scored."""
        lines = []
        if self.skipped:
            lines.append(
                f"{len(self.skipped)} of {self.images + len(self.skipped)} images are in no number "
                "because a file cannot be read:"
            )
            lines += [f"  {name}: {reason}" for name, reason in self.skipped.items()]
        if self.volumes_left_out:
            lines.append(
                f"{len(self.volumes_left_out)} volumes are left out with them: "
                f"{', '.join(self.volumes_left_out)}"
            )
        return lines

    def _class_table(self, means: ImageMeans | None) -> Table:
        """Scores of the pooled pixels; those of the contours and of single images beside them."""
        scores = self.scores
        columns = {"IoU": scores.iou, "accuracy": scores.accuracy, "Dice": scores.dice}
        bottom = {
            "mean, classes present": {name: mean_of_defined(v) for name, v in columns.items()},
            "mean, absent = 0": {"IoU": scores.miou_all},
            "all pixels": {"accuracy": scores.pixel_accuracy},
        }
        if self.boundary is not None:
            columns["boundary IoU"] = self.boundary.iou
            bottom["mean, classes present"]["boundary IoU"] = self.boundary.miou
        if means is not None:
            columns["image Dice"] = means.dice
            bottom["mean, classes present"]["image Dice"] = mean_of_defined(means.dice)
        table = Table(title=f"{self.images} images, pooled pixels")
        for column in ("class", *columns):
            # On two lines, so that the table fits into 80 letters.
            heading = column.replace(" ", "\n")
            table.add_column(heading, justify="left" if column == "class" else "right")
        for index, name in enumerate(self.class_names):
            table.add_row(name, *(shown(values[index]) for values in columns.values()))
        table.add_section()
        for name, values in bottom.items():
            table.add_row(
                name, *(shown(values[column]) if column in values else "" for column in columns)
            )
        return table

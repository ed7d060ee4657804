"""The scores of every image as a CSV, for spreadsheets and for finding the images that fail."""

import csv
import math
from pathlib import Path

from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.evaluation.report import Report

__all__ = ["write_image_csv"]


def write_image_csv(path: Path, report: Report) -> None:
    """Write one row an image, the worst mean IoU first.

    Columns: ``image``, ``pixels`` (those that count), ``miou`` (over the classes present in the
    image), ``pixel_accuracy``, ``iou/<class>`` and ``dice/<class>`` of every class, and
    ``hd95_px/<class>`` if it was asked for. What is undefined is empty. Images with equal scores
    are in the order of their ids, those without any (every pixel is void) come last.

    Args:
        path: The file to write, completely or not at all.
        report: Scores with those of each image.
    """
    images = report.image_scores
    with_hd95 = any(image.hd95 is not None for image in images.values())
    kinds = ("iou", "dice", "hd95_px") if with_hd95 else ("iou", "dice")
    header = ["image", "pixels", "miou", "pixel_accuracy"]
    header += [f"{kind}/{name}" for kind in kinds for name in report.class_names]
    rows = []
    for name, image in images.items():
        scores = image.scores
        values = [scores.miou, scores.pixel_accuracy, *scores.iou, *scores.dice]
        values += [] if image.hd95 is None else list(image.hd95)
        rank = (1, 0.0, name) if math.isnan(scores.miou) else (0, scores.miou, name)
        rows.append((rank, [name, image.truth.sum(), *map(_cell, values)]))
    with whole_file(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(row for _, row in sorted(rows))


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"

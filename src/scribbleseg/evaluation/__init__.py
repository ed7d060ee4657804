"""Scores, tables and pictures, without torch."""

from scribbleseg.evaluation.confusion import Counts, Scores, confusion_matrix
from scribbleseg.evaluation.page import write_page
from scribbleseg.evaluation.picture import Example, draw_examples
from scribbleseg.evaluation.report import Report, compare_label_images
from scribbleseg.evaluation.volumes import (
    Volume,
    VolumeScores,
    dice,
    hausdorff95,
    read_volumes,
    score_volumes,
)

__all__ = [
    "Counts",
    "Example",
    "Report",
    "Scores",
    "Volume",
    "VolumeScores",
    "compare_label_images",
    "confusion_matrix",
    "dice",
    "draw_examples",
    "hausdorff95",
    "read_volumes",
    "score_volumes",
    "write_page",
]

"""Scores, tables and pictures, without torch."""

from scribbleseg.evaluation.annotation_probability import draw_annotation_probability
from scribbleseg.evaluation.boundary import BoundaryCounts, boundary_counts
from scribbleseg.evaluation.comparison import compare_label_images
from scribbleseg.evaluation.confusion import Counts, Scores, confusion_matrix
from scribbleseg.evaluation.feature_picture import draw_prototypes
from scribbleseg.evaluation.image_csv import write_image_csv
from scribbleseg.evaluation.image_scores import ImageMeans, ImageScores
from scribbleseg.evaluation.page import write_page
from scribbleseg.evaluation.picture import Example, draw_examples
from scribbleseg.evaluation.report import Report
from scribbleseg.evaluation.scribble_distance import DistanceProfile, distance_profile
from scribbleseg.evaluation.surface import hausdorff95
from scribbleseg.evaluation.volumes import (
    Volume,
    VolumeScores,
    dice,
    read_volumes,
    score_volumes,
)

__all__ = [
    "BoundaryCounts",
    "Counts",
    "DistanceProfile",
    "Example",
    "ImageMeans",
    "ImageScores",
    "Report",
    "Scores",
    "Volume",
    "VolumeScores",
    "boundary_counts",
    "compare_label_images",
    "confusion_matrix",
    "dice",
    "distance_profile",
    "draw_annotation_probability",
    "draw_examples",
    "draw_prototypes",
    "hausdorff95",
    "read_volumes",
    "score_volumes",
    "write_image_csv",
    "write_page",
]

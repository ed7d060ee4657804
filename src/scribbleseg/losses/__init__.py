"""Losses: pure functions on tensors, one file per idea."""

from scribbleseg.losses.balanced import balanced_cross_entropy
from scribbleseg.losses.consistency import consistency_loss
from scribbleseg.losses.distance_entropy import distance_entropy
from scribbleseg.losses.entropy import entropy_map, mean_entropy
from scribbleseg.losses.far_field import far_background_loss
from scribbleseg.losses.label_preference import (
    annotation_probability_loss,
    balanced_label_preference_loss,
    label_preference_weight,
)
from scribbleseg.losses.partial import partial_cross_entropy
from scribbleseg.losses.rectification import rectification_loss
from scribbleseg.losses.token_contrast import class_token_contrast, patch_token_contrast

__all__ = [
    "annotation_probability_loss",
    "balanced_cross_entropy",
    "balanced_label_preference_loss",
    "class_token_contrast",
    "consistency_loss",
    "distance_entropy",
    "entropy_map",
    "far_background_loss",
    "label_preference_weight",
    "mean_entropy",
    "partial_cross_entropy",
    "patch_token_contrast",
    "rectification_loss",
]

"""Losses: pure functions on tensors, one file per idea."""

from scribbleseg.losses.distance_entropy import distance_entropy
from scribbleseg.losses.entropy import entropy_map, mean_entropy
from scribbleseg.losses.far_field import far_background_loss
from scribbleseg.losses.partial import partial_cross_entropy
from scribbleseg.losses.rectification import rectification_loss

__all__ = [
    "distance_entropy",
    "entropy_map",
    "far_background_loss",
    "mean_entropy",
    "partial_cross_entropy",
    "rectification_loss",
]

"""Losses: pure functions on tensors, one file per idea."""

from scribbleseg.losses.balanced import balanced_cross_entropy
from scribbleseg.losses.certain_consistency import certain_consistency
from scribbleseg.losses.class_aware import (
    class_aware_cross_entropy,
    class_aware_label,
    class_aware_probability,
    image_level_loss,
)
from scribbleseg.losses.consistency import consistency_loss
from scribbleseg.losses.dice import dice_loss
from scribbleseg.losses.distance_entropy import distance_entropy
from scribbleseg.losses.entropy import entropy_map, mean_entropy
from scribbleseg.losses.far_field import far_background_loss
from scribbleseg.losses.gated_crf import PairKernel, gated_crf_loss
from scribbleseg.losses.label_preference import (
    annotation_probability_loss,
    balanced_label_preference_loss,
    label_preference_weight,
)
from scribbleseg.losses.mumford_shah import mumford_shah, mumford_shah_wsl4mis
from scribbleseg.losses.partial import partial_cross_entropy
from scribbleseg.losses.rectification import rectification_loss
from scribbleseg.losses.token_contrast import class_token_contrast, patch_token_contrast
from scribbleseg.losses.total_variation import total_variation
from scribbleseg.losses.tree_energy import tree_energy_loss
from scribbleseg.losses.tree_filter import tree_filter

__all__ = [
    "PairKernel",
    "annotation_probability_loss",
    "balanced_cross_entropy",
    "balanced_label_preference_loss",
    "certain_consistency",
    "class_aware_cross_entropy",
    "class_aware_label",
    "class_aware_probability",
    "class_token_contrast",
    "consistency_loss",
    "dice_loss",
    "distance_entropy",
    "entropy_map",
    "far_background_loss",
    "gated_crf_loss",
    "image_level_loss",
    "label_preference_weight",
    "mean_entropy",
    "mumford_shah",
    "mumford_shah_wsl4mis",
    "partial_cross_entropy",
    "patch_token_contrast",
    "rectification_loss",
    "total_variation",
    "tree_energy_loss",
    "tree_filter",
]

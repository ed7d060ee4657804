"""From logits to label images: views, refinement, decisions, files."""

from scribbleseg.inference.activation_map import (
    cam_label,
    gate_cam,
    multi_scale_cam,
    refined_label,
    region_map,
    three_level_label,
)
from scribbleseg.inference.cam_labels import CamLabels, cam_decisions
from scribbleseg.inference.dense_crf import CRF_PRESETS, DenseCrf, dense_crf
from scribbleseg.inference.label_writer import LabelWriter
from scribbleseg.inference.labels import Decision, predict
from scribbleseg.inference.online_pseudo_label import online_pseudo_label
from scribbleseg.inference.par import par
from scribbleseg.inference.pseudo_label import PseudoLabelWriter
from scribbleseg.inference.settings import PROTOCOLS, Inference, Protocol

__all__ = [
    "CRF_PRESETS",
    "PROTOCOLS",
    "CamLabels",
    "Decision",
    "DenseCrf",
    "Inference",
    "LabelWriter",
    "Protocol",
    "PseudoLabelWriter",
    "cam_decisions",
    "cam_label",
    "dense_crf",
    "gate_cam",
    "multi_scale_cam",
    "online_pseudo_label",
    "par",
    "predict",
    "refined_label",
    "region_map",
    "three_level_label",
]

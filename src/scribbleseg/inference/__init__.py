"""From logits to label images: views, refinement, decisions, files."""

from scribbleseg.inference.dense_crf import CRF_PRESETS, DenseCrf, dense_crf
from scribbleseg.inference.label_writer import LabelWriter
from scribbleseg.inference.labels import Decision, predict
from scribbleseg.inference.par import par
from scribbleseg.inference.pseudo_label import PseudoLabelWriter
from scribbleseg.inference.settings import PROTOCOLS, Inference, Protocol

__all__ = [
    "CRF_PRESETS",
    "PROTOCOLS",
    "Decision",
    "DenseCrf",
    "Inference",
    "LabelWriter",
    "Protocol",
    "PseudoLabelWriter",
    "dense_crf",
    "par",
    "predict",
]

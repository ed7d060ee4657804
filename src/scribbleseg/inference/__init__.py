"""From logits to label images: views, refinement, decisions, files."""

from scribbleseg.inference.label_writer import LabelWriter
from scribbleseg.inference.labels import Decision, predict
from scribbleseg.inference.par import par
from scribbleseg.inference.pseudo_label import PseudoLabelWriter
from scribbleseg.inference.settings import PROTOCOLS, Inference, Protocol

__all__ = [
    "PROTOCOLS",
    "Decision",
    "Inference",
    "LabelWriter",
    "Protocol",
    "PseudoLabelWriter",
    "par",
    "predict",
]

"""From logits to label images."""

from scribbleseg.inference.label_writer import LabelWriter

__all__ = ["LabelWriter"]

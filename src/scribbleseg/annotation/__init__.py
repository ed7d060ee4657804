"""Strokes and label images, without torch: reading, writing, and geometry of scribbles."""

from scribbleseg.annotation.audit import LabelAudit, audit_labels, check_label
from scribbleseg.annotation.hull import far_background
from scribbleseg.annotation.id_list import read_list
from scribbleseg.annotation.image_file import image_size, open_image, read_image
from scribbleseg.annotation.label_image import (
    Color,
    LabelImage,
    read_label,
    voc_palette,
    write_label,
)
from scribbleseg.annotation.overlay import overlay

__all__ = [
    "Color",
    "LabelAudit",
    "LabelImage",
    "audit_labels",
    "check_label",
    "far_background",
    "image_size",
    "open_image",
    "overlay",
    "read_image",
    "read_label",
    "read_list",
    "voc_palette",
    "write_label",
]

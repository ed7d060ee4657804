"""Strokes and label images, without torch: formats, raster rules, simulation, distances.

Names are resolved when they are used.
"""

from typing import TYPE_CHECKING

from scribbleseg.lazy import lazy_names

if TYPE_CHECKING:
    from scribbleseg.annotation.audit import LabelAudit, audit_labels, check_label
    from scribbleseg.annotation.distance import (
        distance_scale,
        pseudo_label_distance_map,
        scribble_distance_map,
    )
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
    from scribbleseg.annotation.perturbation import perturb, perturb_strokes
    from scribbleseg.annotation.raster import Raster, rasterise
    from scribbleseg.annotation.simulation import simulate, simulate_instances
    from scribbleseg.annotation.simulation_settings import Simulation
    from scribbleseg.annotation.stroke import Drawing, Patch, Stroke
    from scribbleseg.annotation.tinting import overlay

__all__ = [
    "Color",
    "Drawing",
    "LabelAudit",
    "LabelImage",
    "Patch",
    "Raster",
    "Simulation",
    "Stroke",
    "audit_labels",
    "check_label",
    "distance_scale",
    "far_background",
    "image_size",
    "open_image",
    "overlay",
    "perturb",
    "perturb_strokes",
    "pseudo_label_distance_map",
    "rasterise",
    "read_image",
    "read_label",
    "read_list",
    "scribble_distance_map",
    "simulate",
    "simulate_instances",
    "voc_palette",
    "write_label",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "audit": ("LabelAudit", "audit_labels", "check_label"),
        "distance": ("distance_scale", "pseudo_label_distance_map", "scribble_distance_map"),
        "hull": ("far_background",),
        "id_list": ("read_list",),
        "image_file": ("image_size", "open_image", "read_image"),
        "label_image": ("Color", "LabelImage", "read_label", "voc_palette", "write_label"),
        "perturbation": ("perturb", "perturb_strokes"),
        "raster": ("Raster", "rasterise"),
        "simulation": ("simulate", "simulate_instances"),
        "simulation_settings": ("Simulation",),
        "stroke": ("Drawing", "Patch", "Stroke"),
        "tinting": ("overlay",),
    },
)

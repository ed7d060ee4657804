"""Datasets made ready to train: published ones, and those of annotation tools.

Names are resolved when they are used: whoever reads a manifest needs no dataset's module.
"""

from typing import TYPE_CHECKING

from scribbleseg.lazy import lazy_names

if TYPE_CHECKING:
    from scribbleseg.data.preparation.datasets import load_preparation, preparation_names
    from scribbleseg.data.preparation.preparation import (
        Options,
        Plan,
        Preparation,
        Prepared,
        prepare,
    )

__all__ = [
    "Options",
    "Plan",
    "Preparation",
    "Prepared",
    "load_preparation",
    "preparation_names",
    "prepare",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "datasets": ("load_preparation", "preparation_names"),
        "preparation": ("Options", "Plan", "Preparation", "Prepared", "prepare"),
    },
)

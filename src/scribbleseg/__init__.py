"""scribbleseg: semantic segmentation from scribbles.

Names are resolved when they are used: ``import scribbleseg`` loads neither torch nor lightning.
"""

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scribbleseg.data import ScribbleDataModule, ScribbleDataset
    from scribbleseg.evaluation import Report, Scores
    from scribbleseg.methods import (
        EntropyMinimisation,
        FullSupervision,
        Optimization,
        PartialCrossEntropy,
    )
    from scribbleseg.networks import DeepLabV3Plus, PlainUNet, Segformer, UNet

__version__ = importlib.metadata.version("scribbleseg")

__all__ = [
    "DeepLabV3Plus",
    "EntropyMinimisation",
    "FullSupervision",
    "Optimization",
    "PartialCrossEntropy",
    "PlainUNet",
    "Report",
    "Scores",
    "ScribbleDataModule",
    "ScribbleDataset",
    "Segformer",
    "UNet",
]

_ROOMS = {
    "data": ("ScribbleDataModule", "ScribbleDataset"),
    "evaluation": ("Report", "Scores"),
    "methods": ("EntropyMinimisation", "FullSupervision", "Optimization", "PartialCrossEntropy"),
    "networks": ("DeepLabV3Plus", "PlainUNet", "Segformer", "UNet"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'scribbleseg' has no attribute {name!r}")
    return getattr(importlib.import_module(f"scribbleseg.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

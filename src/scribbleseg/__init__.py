"""scribbleseg: semantic segmentation from scribbles.

Names are resolved when they are used: ``import scribbleseg`` loads neither torch nor lightning.
"""

from typing import TYPE_CHECKING

from scribbleseg.lazy import lazy_names

if TYPE_CHECKING:
    from scribbleseg.data import ScribbleDataModule, ScribbleDataset
    from scribbleseg.evaluation import Report, Scores
    from scribbleseg.exchange import Predictor, load
    from scribbleseg.inference import Inference
    from scribbleseg.methods import (
        CDSP,
        EntropyMinimisation,
        FullSupervision,
        Optimization,
        PartialCrossEntropy,
        SelfTraining,
    )
    from scribbleseg.networks import DeepLabV3Plus, MultiGridDeepLab, PlainUNet, Segformer, UNet

__version__ = "0.1.0"

__all__ = [
    "CDSP",
    "DeepLabV3Plus",
    "EntropyMinimisation",
    "FullSupervision",
    "Inference",
    "MultiGridDeepLab",
    "Optimization",
    "PartialCrossEntropy",
    "PlainUNet",
    "Predictor",
    "Report",
    "Scores",
    "ScribbleDataModule",
    "ScribbleDataset",
    "Segformer",
    "SelfTraining",
    "UNet",
    "load",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "data": ("ScribbleDataModule", "ScribbleDataset"),
        "evaluation": ("Report", "Scores"),
        "exchange": ("Predictor", "load"),
        "inference": ("Inference",),
        "methods": (
            "CDSP",
            "EntropyMinimisation",
            "FullSupervision",
            "Optimization",
            "PartialCrossEntropy",
            "SelfTraining",
        ),
        "networks": ("DeepLabV3Plus", "MultiGridDeepLab", "PlainUNet", "Segformer", "UNet"),
    },
)

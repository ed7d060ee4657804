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
        PFA,
        BLPSeg,
        EntropyMinimisation,
        FullSupervision,
        Optimization,
        PartialCrossEntropy,
        SelfTraining,
        ToCo,
    )
    from scribbleseg.networks import (
        Aggregated,
        AggregatedUPerNet,
        DeepLabV3Plus,
        MultiGridDeepLab,
        PlainUNet,
        Segformer,
        ToCoViT,
        UNet,
    )

__version__ = "0.1.0"

__all__ = [
    "CDSP",
    "PFA",
    "Aggregated",
    "AggregatedUPerNet",
    "BLPSeg",
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
    "ToCo",
    "ToCoViT",
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
            "PFA",
            "BLPSeg",
            "EntropyMinimisation",
            "FullSupervision",
            "Optimization",
            "PartialCrossEntropy",
            "SelfTraining",
            "ToCo",
        ),
        "networks": (
            "Aggregated",
            "AggregatedUPerNet",
            "DeepLabV3Plus",
            "MultiGridDeepLab",
            "PlainUNet",
            "Segformer",
            "ToCoViT",
            "UNet",
        ),
    },
)

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
        DMPLS,
        LPL,
        PFA,
        USTM,
        BLPSeg,
        EntropyMinimisation,
        FullSupervision,
        GatedCRF,
        MumfordShah,
        Optimization,
        PartialCrossEntropy,
        Retraining,
        SelfTraining,
        ToCo,
        TotalVariation,
        TreeEnergy,
    )
    from scribbleseg.networks import (
        Aggregated,
        AggregatedUPerNet,
        DeepLabV3Plus,
        MultiGridDeepLab,
        PlainDeepLab,
        PlainUNet,
        Segformer,
        ToCoViT,
        UNet,
    )

__version__ = "0.1.0"

__all__ = [
    "CDSP",
    "DMPLS",
    "LPL",
    "PFA",
    "USTM",
    "Aggregated",
    "AggregatedUPerNet",
    "BLPSeg",
    "DeepLabV3Plus",
    "EntropyMinimisation",
    "FullSupervision",
    "GatedCRF",
    "Inference",
    "MultiGridDeepLab",
    "MumfordShah",
    "Optimization",
    "PartialCrossEntropy",
    "PlainDeepLab",
    "PlainUNet",
    "Predictor",
    "Report",
    "Retraining",
    "Scores",
    "ScribbleDataModule",
    "ScribbleDataset",
    "Segformer",
    "SelfTraining",
    "ToCo",
    "ToCoViT",
    "TotalVariation",
    "TreeEnergy",
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
            "DMPLS",
            "LPL",
            "PFA",
            "USTM",
            "BLPSeg",
            "EntropyMinimisation",
            "FullSupervision",
            "GatedCRF",
            "MumfordShah",
            "Optimization",
            "PartialCrossEntropy",
            "Retraining",
            "SelfTraining",
            "ToCo",
            "TotalVariation",
            "TreeEnergy",
        ),
        "networks": (
            "Aggregated",
            "AggregatedUPerNet",
            "DeepLabV3Plus",
            "MultiGridDeepLab",
            "PlainDeepLab",
            "PlainUNet",
            "Segformer",
            "ToCoViT",
            "UNet",
        ),
    },
)

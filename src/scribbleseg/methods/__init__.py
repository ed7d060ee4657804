"""Methods, one file each: what the paper's method section says, on the shared base."""

from scribbleseg.methods.base import NetworkFactory, SegmentationTask, Terms
from scribbleseg.methods.cdsp import CDSP
from scribbleseg.methods.entropy_minimisation import EntropyMinimisation
from scribbleseg.methods.full_supervision import FullSupervision
from scribbleseg.methods.optimization import Optimization, learning_rate_factor
from scribbleseg.methods.partial_cross_entropy import PartialCrossEntropy
from scribbleseg.methods.self_training import SelfTraining

__all__ = [
    "CDSP",
    "EntropyMinimisation",
    "FullSupervision",
    "NetworkFactory",
    "Optimization",
    "PartialCrossEntropy",
    "SegmentationTask",
    "SelfTraining",
    "Terms",
    "learning_rate_factor",
]

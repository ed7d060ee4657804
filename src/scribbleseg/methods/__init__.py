"""Methods, one file each: what the paper's method section says, on the shared base."""

from scribbleseg.methods.base import NetworkFactory, SegmentationTask, Terms
from scribbleseg.methods.blpseg import BLPSeg
from scribbleseg.methods.cdsp import CDSP
from scribbleseg.methods.entropy_minimisation import EntropyMinimisation
from scribbleseg.methods.full_supervision import FullSupervision
from scribbleseg.methods.optimization import Optimization, learning_rate_factor
from scribbleseg.methods.partial_cross_entropy import PartialCrossEntropy
from scribbleseg.methods.pfa import PFA, StageWeights
from scribbleseg.methods.self_training import SelfTraining
from scribbleseg.methods.toco import ToCo

__all__ = [
    "CDSP",
    "PFA",
    "BLPSeg",
    "EntropyMinimisation",
    "FullSupervision",
    "NetworkFactory",
    "Optimization",
    "PartialCrossEntropy",
    "SegmentationTask",
    "SelfTraining",
    "StageWeights",
    "Terms",
    "ToCo",
    "learning_rate_factor",
]

"""Methods, one file each: what the paper's method section says, on the shared base."""

from scribbleseg.methods.base import NetworkFactory, SegmentationTask, Terms
from scribbleseg.methods.blpseg import BLPSeg
from scribbleseg.methods.cdsp import CDSP
from scribbleseg.methods.dmpls import DMPLS
from scribbleseg.methods.entropy_minimisation import EntropyMinimisation
from scribbleseg.methods.full_supervision import FullSupervision
from scribbleseg.methods.gated_crf import GatedCRF
from scribbleseg.methods.lpl import LPL
from scribbleseg.methods.mumford_shah import MumfordShah
from scribbleseg.methods.optimization import Optimization, learning_rate_factor
from scribbleseg.methods.partial_cross_entropy import PartialCrossEntropy
from scribbleseg.methods.pfa import PFA, StageWeights
from scribbleseg.methods.retraining import Retraining
from scribbleseg.methods.self_training import SelfTraining
from scribbleseg.methods.toco import ToCo
from scribbleseg.methods.total_variation import TotalVariation
from scribbleseg.methods.tree_energy import TreeEnergy
from scribbleseg.methods.ustm import USTM

__all__ = [
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
    "NetworkFactory",
    "Optimization",
    "PartialCrossEntropy",
    "Retraining",
    "SegmentationTask",
    "SelfTraining",
    "StageWeights",
    "Terms",
    "ToCo",
    "TotalVariation",
    "TreeEnergy",
    "learning_rate_factor",
]

"""Models as files that others can use, and the files of others as models."""

from scribbleseg.exchange.checkpoint_layout import CheckpointLayout, Dropped, Reading
from scribbleseg.exchange.checkpoint_layouts import checkpoint_layout_names
from scribbleseg.exchange.convert import Conversion, convert_checkpoint
from scribbleseg.exchange.description import (
    ModelDescription,
    NetworkSpec,
    Origin,
    Picture,
    SplitScores,
)
from scribbleseg.exchange.hub import push_to_hub
from scribbleseg.exchange.model_folder import initialise, save_folder
from scribbleseg.exchange.onnx_file import Parity, export_onnx
from scribbleseg.exchange.predictor import Predictor
from scribbleseg.exchange.source import load, open_model

__all__ = [
    "CheckpointLayout",
    "Conversion",
    "Dropped",
    "ModelDescription",
    "NetworkSpec",
    "Origin",
    "Parity",
    "Picture",
    "Predictor",
    "Reading",
    "SplitScores",
    "checkpoint_layout_names",
    "convert_checkpoint",
    "export_onnx",
    "initialise",
    "load",
    "open_model",
    "push_to_hub",
    "save_folder",
]

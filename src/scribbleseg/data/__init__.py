"""Samples, datasets and loaders."""

from scribbleseg.data.datamodule import ScribbleDataModule
from scribbleseg.data.dataset import EvaluationDataset, ScribbleDataset
from scribbleseg.data.layout import Layout, Record
from scribbleseg.data.layouts import layout_names, load_layout
from scribbleseg.data.sample import Batch, EvaluationBatch, EvaluationSample, Region, Sample
from scribbleseg.data.sampler import EpochSampler
from scribbleseg.data.tags import read_tags, tags_from_label

__all__ = [
    "Batch",
    "EpochSampler",
    "EvaluationBatch",
    "EvaluationDataset",
    "EvaluationSample",
    "Layout",
    "Record",
    "Region",
    "Sample",
    "ScribbleDataModule",
    "ScribbleDataset",
    "layout_names",
    "load_layout",
    "read_tags",
    "tags_from_label",
]

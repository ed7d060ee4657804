"""Samples, datasets and loaders.

Names are resolved when they are used: looking at a dataset's files needs no torch.
"""

from typing import TYPE_CHECKING

from scribbleseg.lazy import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "datamodule": ("ScribbleDataModule",),
        "dataset": ("EvaluationDataset", "ScribbleDataset"),
        "layout": ("Layout", "Record"),
        "layouts": ("layout_names", "load_layout"),
        "sample": ("Batch", "EvaluationBatch", "EvaluationSample", "Region", "Sample"),
        "sampler": ("EpochSampler",),
        "tags": ("read_tags", "tags_from_label"),
    },
)

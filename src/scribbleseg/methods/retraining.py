"""Retraining: an ordinary network learns from masks, strokes and the labels of an earlier stage.

Second stage of LPL (Wang et al., Pattern Recognition 132, 2022), whose network is the one that is
used in the end: it needs no tags. Every image has one label map: its mask where it brings one, else
its pseudo label with its strokes on top. One cross entropy, a mean over all labelled pixels.
`scribbleseg.methods.SelfTraining` differs in that: strokes, however few, weigh as much as all
pseudo labels.

No hyper-parameters.
"""

from typing import ClassVar

import torch
from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.losses import partial_cross_entropy
from scribbleseg.methods.base import SegmentationTask, Terms

__all__ = ["Retraining"]


class Retraining(SegmentationTask):
    """Cross entropy on one label map an image, which a given label and a pseudo label make up."""

    uses: ClassVar[frozenset[str]] = frozenset({"mask", "scribble", "tags", "pseudo_label"})
    needs: ClassVar[frozenset[str]] = frozenset({"pseudo_label"})

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Cross entropy over all labelled pixels."""
        logits = self.net(batch["image"])
        # The dataset has put masks in the place of pseudo labels; what they leave out, nobody says.
        drawn = batch["scribble"] != self.ignore_index
        label = torch.where(drawn, batch["scribble"], batch["pseudo_label"])
        return {"ce": partial_cross_entropy(logits, label, ignore_index=self.ignore_index)}, logits

"""Partial cross entropy: train on the drawn pixels, ignore the rest. The baseline of the field.

Every scribble paper starts from it (Tang et al., CVPR 2018; Luo et al., MICCAI 2022). No
hyper-parameters.
"""

from typing import ClassVar

from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.losses import partial_cross_entropy
from scribbleseg.methods.base import SegmentationTask, Terms

__all__ = ["PartialCrossEntropy"]


class PartialCrossEntropy(SegmentationTask):
    """Partial cross entropy on scribbles alone."""

    uses: ClassVar[frozenset[str]] = frozenset({"scribble"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Cross entropy over the strokes."""
        logits = self.net(batch["image"])
        return {
            "partial_ce": partial_cross_entropy(
                logits, batch["scribble"], ignore_index=self.ignore_index
            )
        }, logits

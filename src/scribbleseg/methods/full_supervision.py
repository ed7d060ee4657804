"""Full supervision: cross entropy on full masks, the upper bound of scribble methods.

No hyper-parameters. Pixels with the ignore index (void rims, padding) take no part.
"""

from typing import ClassVar

from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.losses import partial_cross_entropy
from scribbleseg.methods.base import SegmentationTask, Terms

__all__ = ["FullSupervision"]


class FullSupervision(SegmentationTask):
    """Cross entropy on full masks."""

    uses: ClassVar[frozenset[str]] = frozenset({"mask"})
    needs: ClassVar[frozenset[str]] = frozenset({"mask"})

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Cross entropy over all labelled pixels of the masks."""
        logits = self.net(batch["image"])
        return {
            "ce": partial_cross_entropy(logits, batch["mask"], ignore_index=self.ignore_index)
        }, logits

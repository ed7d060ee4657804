"""Entropy minimisation: partial cross entropy, and a confident prediction everywhere.

``L = pCE + 0.1 H``, H the entropy of all pixels divided by log K. Grandvalet and Bengio,
"Semi-supervised Learning by Entropy Minimization", NeurIPS 2004, in the form of WSL4MIS (Luo et
al., MICCAI 2022, arXiv 2203.02106).

| hyper-parameter | WSL4MIS | here |
| --- | --- | --- |
| weight of the entropy | 0.1, no ramp-up | 0.1, no ramp-up |
| pixels | all, padding included | all but padding |
"""

from typing import Any, ClassVar

from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.losses import mean_entropy, partial_cross_entropy
from scribbleseg.methods.base import SegmentationTask, Terms

__all__ = ["EntropyMinimisation"]


class EntropyMinimisation(SegmentationTask):
    """Partial cross entropy and the mean entropy of all pixels.

    Args:
        entropy_weight: Weight of the entropy term; large weights with few strokes collapse to one
            class.
        harness: Options of `SegmentationTask`.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def __init__(self, *, entropy_weight: float = 0.1, **harness: Any) -> None:
        super().__init__(**harness)
        self.entropy_weight = entropy_weight

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Cross entropy over the strokes, entropy over all pixels that are not padding."""
        logits = self.net(batch["image"])
        terms = {
            "partial_ce": partial_cross_entropy(
                logits, batch["scribble"], ignore_index=self.ignore_index
            ),
            "entropy": self.entropy_weight * mean_entropy(logits, batch["valid"]),
        }
        return terms, logits

"""Total variation: partial cross entropy, and short outlines.

``L = pCE + 0.01 TV``, TV the mean of an inner outline one pixel wide of each class's probabilities,
see `scribbleseg.losses.total_variation`. From WSL4MIS (Luo et al., MICCAI 2022, arXiv 2203.02106).

| hyper-parameter | WSL4MIS | here |
| --- | --- | --- |
| weight of the outlines | 0.01, no ramp-up | 0.01, no ramp-up |
| images of the batch | all but the first | all |
| classes | all | all; without the background by ``foreground_only`` |
| pixels | all, padding included | all but padding |

Its code leaves out the first image of each batch where it evidently means the background.
"""

from typing import Any, ClassVar

from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.losses import partial_cross_entropy, total_variation
from scribbleseg.methods.base import SegmentationTask, Terms

__all__ = ["TotalVariation"]


class TotalVariation(SegmentationTask):
    """Partial cross entropy and the outlines of the prediction.

    Args:
        variation_weight: Weight of the outlines.
        foreground_only: Leave the outline of the background out.
        harness: Options of `SegmentationTask`.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def __init__(
        self, *, variation_weight: float = 0.01, foreground_only: bool = False, **harness: Any
    ) -> None:
        super().__init__(**harness)
        self.variation_weight, self.foreground_only = variation_weight, foreground_only

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Cross entropy over the strokes, outlines over all pixels that are not padding."""
        logits = self.net(batch["image"])
        outline = total_variation(logits, batch["valid"], foreground_only=self.foreground_only)
        terms = {
            "partial_ce": partial_cross_entropy(
                logits, batch["scribble"], ignore_index=self.ignore_index
            ),
            "total_variation": self.variation_weight * outline,
        }
        return terms, logits

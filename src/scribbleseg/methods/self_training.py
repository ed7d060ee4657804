"""Self-training: learn from the strokes, and from the labels an earlier network gave to the rest.

The oldest way to use what is not labelled (H. J. Scudder, IEEE Trans. Inf. Theory 1965; for
networks D.-H. Lee, "Pseudo-Label", ICML workshop 2013), and the second stage of most scribble
systems. ``configs/recipes/self_training_*.yaml`` trains the first network, writes its labels with
``pseudolabel`` and trains this method on them.

=================  =====  ==========================================================
hyper-parameter    ours   meaning
=================  =====  ==========================================================
pseudo_weight      1.0    weight of the pseudo labels' term
=================  =====  ==========================================================
"""

from typing import Any, ClassVar

from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.losses import partial_cross_entropy
from scribbleseg.methods.base import SegmentationTask, Terms

__all__ = ["SelfTraining"]


class SelfTraining(SegmentationTask):
    """Partial cross entropy on scribbles, plus cross entropy on pseudo labels where they decide.

    Args:
        pseudo_weight: Weight of the pseudo labels' term.
        harness: Options of `SegmentationTask`.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags", "pseudo_label"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble", "pseudo_label"})

    def __init__(self, *, pseudo_weight: float = 1.0, **harness: Any) -> None:
        super().__init__(**harness)
        self.pseudo_weight = pseudo_weight

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Each term is a mean over its own labelled pixels, so that few strokes still count."""
        logits = self.net(batch["image"])
        ignore = self.ignore_index
        terms = {
            "partial_ce": partial_cross_entropy(logits, batch["scribble"], ignore_index=ignore),
            "pseudo_ce": self.pseudo_weight
            * partial_cross_entropy(logits, batch["pseudo_label"], ignore_index=ignore),
        }
        return terms, logits

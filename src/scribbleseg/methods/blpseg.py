"""BLPSeg: strokes lie where annotators like to draw, so the strokes elsewhere count for more.

Wang et al., "BLPSeg: Balance the Label Preference in Scribble-Supervised Semantic Segmentation",
IEEE TIP 2023. One run, two terms of weight 1:

* a second head learns from the strokes themselves where annotators draw which class. It reads
  features that it cannot change;
* cross entropy on the labelled pixels. Little weight have those that are both a typical place for
  a stroke and well learned; weights are divided by their sum in each image.

The network averages its logits over pixels that look alike and lie near (`local_aggregation`), in
training and afterwards; in training this spreads the gradient of a stroke over its surroundings.
From step ``pseudo_start`` on, pixels of which the network is sure are labelled by itself.

===================  =========  ========  ====================================================
hyper-parameter      published  ours      meaning
===================  =========  ========  ====================================================
gamma                2          2         exponent of the weights; 0 turns them off
annotation_weight    1          1         weight of the second head's term
unannotated_weight   0.02       0.02      weight of pixels without a stroke in that term
pseudo_threshold     0.9        0.9       least probability of an own label
pseudo_start         10,000     10,000    optimiser step of the first own labels; 20,000 on
                                          PASCAL-Context
pseudo_weight        -          null      weight of a term of their own for own labels; null: one
                                          mean over strokes and own labels
===================  =========  ========  ====================================================
"""

from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.errors import ConfigError
from scribbleseg.inference.online_pseudo_label import online_pseudo_label
from scribbleseg.losses import annotation_probability_loss, balanced_label_preference_loss
from scribbleseg.methods.base import SegmentationTask, Terms
from scribbleseg.networks.annotation_network import AnnotationNetwork

__all__ = ["BLPSeg"]


class BLPSeg(SegmentationTask):
    """Strokes weighted by how expected they are, local aggregation, own labels in the same run.

    Args:
        gamma: Exponent of the weights, 0 or more; 0 gives every labelled pixel of an image the same
            weight.
        annotation_weight: Weight of the annotation head's cross entropy, above 0.
        unannotated_weight: Weight of a pixel without a stroke in it, 0 or more; a drawn one has 1.
        pseudo_threshold: Least probability at which the network's own label counts, 0..1.
        pseudo_start: Optimiser step from which on there are own labels; at or above the run's
            number of steps there are none.
        pseudo_weight: Own labels are far more pixels than strokes. Published, and null: one mean
            over both, in which strokes count for little from ``pseudo_start`` on. A number: strokes
            keep their mean, and own labels have one with this weight. 0 or more.
        harness: Options of `SegmentationTask`. The network is ``AggregatedUPerNet`` (published), or
            any other inside ``Aggregated``.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def __init__(
        self,
        *,
        gamma: float = 2.0,
        annotation_weight: float = 1.0,
        unannotated_weight: float = 0.02,
        pseudo_threshold: float = 0.9,
        pseudo_start: int = 10_000,
        pseudo_weight: float | None = None,
        **harness: Any,
    ) -> None:
        super().__init__(**harness)
        self.gamma, self.annotation_weight = gamma, annotation_weight
        self.unannotated_weight = unannotated_weight
        self.pseudo_threshold, self.pseudo_start = pseudo_threshold, pseudo_start
        self.pseudo_weight = pseudo_weight
        if (
            min(gamma, unannotated_weight, pseudo_start, pseudo_weight or 0) < 0
            or annotation_weight <= 0
        ):
            raise ConfigError(
                f"model: gamma {gamma}, unannotated_weight {unannotated_weight}, pseudo_start "
                f"{pseudo_start} and pseudo_weight {pseudo_weight} must be 0 or more, "
                f"annotation_weight {annotation_weight} above 0"
            )
        if not 0 <= pseudo_threshold <= 1:
            raise ConfigError(f"model.pseudo_threshold: {pseudo_threshold}; expected 0 to 1")
        if not isinstance(self.net, AnnotationNetwork):
            raise ConfigError(
                f"model.network: {type(self.net).__name__} has no annotation head; put it into "
                "scribbleseg.networks.Aggregated as its base"
            )

    def check_supervision(self, brings: frozenset[str]) -> None:
        """As the base; masks will not do for strokes, from which the second head learns.

        Raises:
            ConfigError: As the base; or no training image brings a scribble.
        """
        super().check_supervision(brings)
        if "scribble" not in brings:
            raise ConfigError(
                "BLPSeg: no training image brings a scribble, but it learns where annotators draw; "
                "train EntropyMinimisation or LPL on masks and tags"
            )

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """The two terms."""
        assert isinstance(self.net, AnnotationNetwork)
        logits, annotation_logits = self.net.with_annotation(batch["image"])
        label = scribble = batch["scribble"]
        drawn_on = torch.tensor([kind == "scribble" for kind in batch["supervision"]])
        balanced_ce = partial(
            balanced_label_preference_loss,
            logits,
            annotation_logits,
            gamma=self.gamma,
            ignore_index=self.ignore_index,
        )
        terms: Terms = {}
        if self.global_step >= self.pseudo_start:
            both = online_pseudo_label(
                logits,
                scribble,
                batch["tags"],
                batch["valid"],
                threshold=self.pseudo_threshold,
                ignore_index=self.ignore_index,
            )
            if self.pseudo_weight is None:
                label = both
            else:
                own = both.masked_fill(scribble != self.ignore_index, self.ignore_index)
                terms["pseudo_ce"] = self.pseudo_weight * balanced_ce(own)
        terms |= {
            "balanced_ce": balanced_ce(label),
            "annotation_probability": self.annotation_weight
            * annotation_probability_loss(
                annotation_logits,
                scribble,
                batch["valid"] & drawn_on.to(label.device)[:, None, None],
                unannotated_weight=self.unannotated_weight,
                ignore_index=self.ignore_index,
            ),
        }
        return terms, logits

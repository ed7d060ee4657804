"""CDSP: scribbles hide the class of everything else, and pseudo labels say a part of it.

Zhang et al., "Scribble Hides Class: Promoting Scribble-Based Weakly-Supervised Semantic
Segmentation with Its Class Label", AAAI 2024; as the second stage of CSPNet, "Exploiting Inherent
Class Label", 2025. Five terms, all of weight 1:

* partial cross entropy on the strokes, which are right but few;
* cross entropy with smoothed labels on pseudo labels, which are many but wrong in places;
* entropy weighted by the distance map of the strokes: near a stroke predictions shall be certain;
* entropy weighted by the distance map of the pseudo labels' outlines: far from these too;
* rectification: inside the pseudo label's objects, features shall be what all features that
  resemble them are on average, outside they shall vanish.

======================= ========= ====== ======================================================
hyper-parameter         published ours   meaning
======================= ========= ====== ======================================================
scribble_weight         1         1      weights of the five terms
pseudo_weight           1         1
scribble_entropy_weight 1         1
pseudo_entropy_weight   1         1
rectification_weight    1         1
label_smoothing         0.1       0.1    of the pseudo labels' term
pseudo_ignore           backgr.   ignore what undecided pixels and padding are to this term
rectified_background    zero      zero   whether features outside objects shall vanish
======================= ========= ====== ======================================================

The distance maps and their scales are options of the data (``data.scribble_distance``,
``data.pseudo_distance``). The module is used in training only.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.errors import ConfigError
from scribbleseg.losses import distance_entropy, partial_cross_entropy, rectification_loss
from scribbleseg.methods.base import SegmentationTask, Terms
from scribbleseg.networks.rectification import LocalizationRectification, foreground_on_map
from scribbleseg.networks.semantic_map import SemanticNetwork

__all__ = ["CDSP"]


class CDSP(SegmentationTask):
    """Scribbles, pseudo labels, two distance maps and localization rectification.

    Args:
        scribble_weight: Weight of the strokes' cross entropy.
        pseudo_weight: Weight of the pseudo labels' cross entropy.
        scribble_entropy_weight: Weight of the entropy near strokes.
        pseudo_entropy_weight: Weight of the entropy far from the pseudo labels' outlines.
        rectification_weight: Weight of the rectification; 0 leaves the module out.
        label_smoothing: Share of the pseudo labels' target that is spread over all classes.
        pseudo_ignore: What undecided pixels of a pseudo label, and padding, are to its cross
            entropy: ignored, or ``background``, as an accident of the published code has it where
            rectification is on. Its pseudo labels are decided everywhere; those of ``pseudolabel
            --threshold`` are not.
        rectified_background: ``zero``: features outside objects shall vanish, as published;
            ``ignore``: they take no part.
        harness: Options of `SegmentationTask`. The network has a semantic map (all of
            `scribbleseg.networks`).
    """

    uses: ClassVar[frozenset[str]] = frozenset(
        {"scribble", "tags", "pseudo_label", "scribble_distance", "pseudo_distance"}
    )
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def __init__(
        self,
        *,
        scribble_weight: float = 1.0,
        pseudo_weight: float = 1.0,
        scribble_entropy_weight: float = 1.0,
        pseudo_entropy_weight: float = 1.0,
        rectification_weight: float = 1.0,
        label_smoothing: float = 0.1,
        pseudo_ignore: Literal["background", "ignore"] = "ignore",
        rectified_background: Literal["zero", "ignore"] = "zero",
        **harness: Any,
    ) -> None:
        super().__init__(**harness)
        self.weights = {
            "scribble_ce": scribble_weight,
            "pseudo_ce": pseudo_weight,
            "scribble_entropy": scribble_entropy_weight,
            "pseudo_entropy": pseudo_entropy_weight,
            "rectification": rectification_weight,
        }
        self.label_smoothing, self.pseudo_ignore = label_smoothing, pseudo_ignore
        self.rectified_background = rectified_background
        if min(self.weights.values()) < 0 or not any(self.weights.values()):
            raise ConfigError(f"model: weights are {self.weights}; expected 0 or more, not all 0")
        if not 0 <= label_smoothing < 1:
            raise ConfigError(f"model.label_smoothing: {label_smoothing}; expected 0 to below 1")
        if not isinstance(self.net, SemanticNetwork):
            raise ConfigError(
                f"model.network: {type(self.net).__name__} has no with_semantic_map(image), where "
                "CDSP's rectification attaches; take a network of scribbleseg.networks"
            )
        if rectification_weight:
            self.rectification = LocalizationRectification(self.net.semantic_channels)

    def check_supervision(self, brings: frozenset[str]) -> None:
        """Refuse training without what a term asks for; terms of weight 0 ask for nothing.

        Raises:
            ConfigError: As the base; or something is missing.
        """
        super().check_supervision(brings)
        for kind, terms, cure in (
            ("pseudo_label", ("pseudo_ce", "rectification"), "--data.pseudo_labels DIR"),
            ("scribble_distance", ("scribble_entropy",), "--data.scribble_distance e"),
            ("pseudo_distance", ("pseudo_entropy",), "--data.pseudo_distance e6"),
        ):
            wanting = [term for term in terms if self.weights[term]]
            if wanting and kind not in brings:
                raise ConfigError(
                    f"CDSP: the terms {', '.join(wanting)} need {kind.replace('_', ' ')}s; give "
                    f"{cure}, or set their weights to 0"
                )

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """The terms whose weight is not 0."""
        assert isinstance(self.net, SemanticNetwork)
        logits, features = self.net.with_semantic_map(batch["image"])
        term: dict[str, Callable[[], Tensor]] = {
            "scribble_ce": lambda: partial_cross_entropy(
                logits, batch["scribble"], ignore_index=self.ignore_index
            ),
            "pseudo_ce": lambda: partial_cross_entropy(
                logits,
                self._decided(batch["pseudo_label"]),
                ignore_index=self.ignore_index,
                label_smoothing=self.label_smoothing,
            ),
            "scribble_entropy": lambda: distance_entropy(logits, batch["scribble_distance"]),
            "pseudo_entropy": lambda: distance_entropy(logits, batch["pseudo_distance"]),
            "rectification": lambda: self._rectification_loss(features, batch["pseudo_label"]),
        }
        terms = {name: weight * term[name]() for name, weight in self.weights.items() if weight}
        return terms, logits

    def _decided(self, pseudo_label: Tensor) -> Tensor:
        """The pseudo label as its cross entropy sees it."""
        if self.pseudo_ignore == "ignore" or not self.weights["rectification"]:
            return pseudo_label
        return torch.where(pseudo_label == self.ignore_index, 0, pseudo_label)

    def _rectification_loss(self, features: Tensor, pseudo_label: Tensor) -> Tensor:
        size = (features.shape[-2], features.shape[-1])
        inside = foreground_on_map(pseudo_label, size, ignore_index=self.ignore_index)
        rectified = self.rectification(features, inside)
        if self.rectified_background == "ignore":
            features = features * inside.unsqueeze(1)
        return rectification_loss(features, rectified)

"""LPL, first stage: two networks teach each other on images of which only the classes are known.

Wang, Zhang, Kan, Shan, "Learning pseudo labels for semi-and-weakly supervised semantic
segmentation", Pattern Recognition 132, 2022, doi 10.1016/j.patcog.2022.108925. Only its code was
available to us. `scribbleseg.methods.Retraining` is the second stage.

A few images bring masks or scribbles, many bring tags. The first half of a batch, the strong half,
is drawn from the few, the weak half from all. HybridNet learns from the given labels, and on the
weak half from the labels of PseudoNet, which learns there alone, nearly always from HybridNet's. So
its score on given labels says how good labels are that were taught by labels; image by image, the
score of the worst class decides how much its labels count (progressive cross training). All labels
are restricted to the tags, and so are the classes among which the cross entropy decides.

===================== ========== ========== ==================================================
hyper-parameter       published  ours       meaning
===================== ========== ========== ==================================================
score_power           8          8          exponent of the worst class's score
momentum              0.99       0.99       share of the score's counts that stays in a step
zero_iou              ignore     ignore     what a class with a score of exactly 0 does
label_on_padding      true       true       whether networks label each other's padding
image_level_weight    1          1          of the loss on tags, of HybridNet
cross_weight          1          1          of PseudoNet's labels, for HybridNet
pseudo_schedule       constant   constant   learning rate of PseudoNet; published by accident
===================== ========== ========== ==================================================

The published code takes masks. For scribbles two rules change, image by image: a prediction is
scored at labelled pixels alone, and in the weak half strokes are stamped into the other network's
labels, whereas a mask takes their place as a whole.
"""

from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn

from scribbleseg.data.sample import Batch
from scribbleseg.errors import ConfigError
from scribbleseg.losses import class_aware_cross_entropy, class_aware_label, image_level_loss
from scribbleseg.methods.base import NetworkFactory, SegmentationTask, Terms
from scribbleseg.methods.optimization import Schedule
from scribbleseg.networks.dynamic_evaluation import DynamicEvaluation, sample_weight

__all__ = ["LPL", "taught_label"]


class LPL(SegmentationTask):
    """Class-aware cross entropy on given labels and on those of another network.

    Args:
        network: Both networks. Pretrained weights are the same in both, others are drawn anew.
        in_channels: Channels of a picture; taken from the data.
        score_power: Exponent of the worst class's score; 0 lets all labels count in full.
        momentum: Share of the counts of the dynamic evaluation that stays in a step.
        zero_iou: What a tagged class does that PseudoNet has never predicted rightly: nothing, as
            published, or it ``block``s PseudoNet's labels of the image.
        label_on_padding: Let the networks label padding for each other, as published, and count
            PseudoNet's predictions there.
        image_level_weight: Weight of HybridNet's loss on tags; 0 leaves it out.
        cross_weight: Weight of PseudoNet's labels for HybridNet; 0 leaves them out.
        pseudo_schedule: Schedule of PseudoNet's learning rate; everything else of it is in
            ``optimization``, whose ``net`` stands for both networks.
        prediction: Network that ``validate``, ``test``, ``predict`` and ``pseudolabel`` show.
            Validation during training, and exported models, are HybridNet.
        harness: Options of `SegmentationTask`.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"mask", "scribble", "tags", "halves"})
    needs: ClassVar[frozenset[str]] = frozenset({"halves"})

    def __init__(
        self,
        network: NetworkFactory,
        *,
        in_channels: int = 3,
        score_power: float = 8.0,
        momentum: float = 0.99,
        zero_iou: Literal["ignore", "block"] = "ignore",
        label_on_padding: bool = True,
        image_level_weight: float = 1.0,
        cross_weight: float = 1.0,
        pseudo_schedule: Schedule = "constant",
        prediction: Literal["hybrid", "pseudo"] = "hybrid",
        **harness: Any,
    ) -> None:
        super().__init__(network, in_channels=in_channels, **harness)
        for name, value in (
            ("score_power", score_power),
            ("image_level_weight", image_level_weight),
            ("cross_weight", cross_weight),
        ):
            if value < 0:
                raise ConfigError(f"model.{name}: {value}; expected 0 or more")
        if not 0 <= momentum <= 1:
            raise ConfigError(f"model.momentum: {momentum}; expected 0 to 1")
        self.score_power, self.label_on_padding = score_power, label_on_padding
        self.zero_iou: Literal["ignore", "block"] = zero_iou
        self.image_level_weight, self.cross_weight = image_level_weight, cross_weight
        self.pseudo_schedule, self.prediction = pseudo_schedule, prediction
        self.pseudo_net = network(len(self.class_names), in_channels).to(
            memory_format=torch.channels_last
        )
        self.evaluation = DynamicEvaluation(len(self.class_names), momentum=momentum)
        self.trust = torch.zeros(())

    def check_supervision(self, brings: frozenset[str]) -> None:
        """Refuse training images that the method cannot use.

        Raises:
            ConfigError: As the base; batches have no halves; or no image brings more than tags.
        """
        if "halves" not in brings:
            raise ConfigError(
                "LPL: batches need a weak half, drawn from all training images; set "
                "data.weak_batch_size, e.g. to data.batch_size"
            )
        super().check_supervision(brings)
        if not brings & {"mask", "scribble"}:
            raise ConfigError(
                "LPL: all training images bring tags only, but some must bring a mask or a "
                "scribble; see data.labelled and data.labelled_first"
            )

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """The terms of both networks; the logits are HybridNet's."""
        image, tags, ignore = batch["image"], batch["tags"], self.ignore_index
        label, is_full, is_known = self._given(batch)
        begin = len(image) - int(batch["weak"].sum())
        strong, weak = slice(0, begin), slice(begin, None)

        # Both networks see the whole batch: their norms have the statistics of both halves.
        hybrid, pseudo = self.net(image), self.pseudo_net(image)
        anywhere = batch["valid"] | self.label_on_padding
        by_hybrid, by_pseudo = (
            torch.where(anywhere, class_aware_label(logits, tags), ignore)
            for logits in (hybrid, pseudo)
        )

        # PseudoNet is scored on the given labels of the strong half, which does not teach it.
        scored = anywhere & (is_full[:, None, None] | (label != ignore))
        self.evaluation.update(
            label[strong], by_pseudo[strong], scored[strong], ignore_index=ignore
        )
        trust = sample_weight(
            self.evaluation.iou, tags[weak], power=self.score_power, zero_iou=self.zero_iou
        )
        self.trust = trust.mean()

        # Each network learns from the other's labels; HybridNet from the given ones as well.
        terms = {
            "strong_ce": class_aware_cross_entropy(
                hybrid[strong], label[strong], tags[strong], ignore_index=ignore
            ),
            "pseudo_net": class_aware_cross_entropy(
                pseudo[weak],
                taught_label(by_hybrid[weak], label[weak], is_full[weak], ignore_index=ignore),
                tags[weak],
                ignore_index=ignore,
            ),
        }
        if self.image_level_weight:
            terms["image_level"] = self.image_level_weight * image_level_loss(
                hybrid, tags, known=is_known
            )
        if self.cross_weight:
            surprise = class_aware_cross_entropy(
                hybrid[weak],
                taught_label(by_pseudo[weak], label[weak], is_full[weak], ignore_index=ignore),
                tags[weak],
                reduction="none",
                ignore_index=ignore,
            )
            # The mean over all pixels, unlabelled ones too.
            terms["cross"] = self.cross_weight * (trust[:, None, None] * surprise).mean()
        return terms, hybrid

    def _given(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The mask or scribble ``(B, H, W)`` of each image; if it is a mask; if its tags are true.

        A blank scribble, which ``data.allow_empty`` lets in, is tagged as background alone, but
        says nothing about the classes of its image.
        """
        label, kinds = batch["scribble"], batch["supervision"]
        if "mask" in batch:  # the other one of the two is unlabelled everywhere
            label = torch.where(batch["mask"] != self.ignore_index, batch["mask"], label)
        is_full = torch.tensor([kind == "mask" for kind in kinds], device=label.device)
        is_scribble = torch.tensor([kind == "scribble" for kind in kinds], device=label.device)
        blank = (label == self.ignore_index).flatten(1).all(dim=1)
        blank &= is_scribble & ~batch["tags"][:, 1:].bool().any(dim=1)
        return label, is_full, ~blank

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Log the meter: PseudoNet's mean score, and what its labels weighed in this step."""
        meter = {"miou": self.evaluation.iou.mean(), "trust": self.trust}
        self.log_dict(
            {f"dynamic_evaluation/{name}": value for name, value in meter.items()},
            batch_size=len(batch["image"]),
        )

    def configure_optimizers(self) -> Any:
        """One optimiser for both networks, as no term teaches both; see ``pseudo_schedule``."""
        optimizer, schedule = self.optimization.build(
            nn.ModuleDict({"net": self.net}),
            int(self.trainer.estimated_stepping_batches),
            (nn.ModuleDict({"net": self.pseudo_net}), self.pseudo_schedule),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @property
    def predicting(self) -> nn.Module:
        """The network that is asked for; between training steps HybridNet, which is exported."""
        fitting = self._trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        return self.net if self.prediction == "hybrid" or fitting else self.pseudo_net

    def label_settings(self) -> dict[str, Any]:
        """With the network that is shown."""
        return {**super().label_settings(), "prediction": self.prediction}


def taught_label(
    prediction: Tensor, label: Tensor, is_full: Tensor, *, ignore_index: int = 255
) -> Tensor:
    """The labels of a network, with those that were given in their place.

    Args:
        prediction: ``(B, H, W)`` int64.
        label: ``(B, H, W)`` int64, the given labels; ``ignore_index`` where there are none.
        is_full: ``(B,)`` bool: whose given labels are a mask. It takes the place of the prediction
            with its unlabelled pixels, unless all of them are; others label pixel by pixel.
        ignore_index: Value of unlabelled pixels.

    Returns:
        ``(B, H, W)`` int64.

    >>> prediction, label = torch.tensor([[[0, 1]]]), torch.tensor([[[2, 255]]])
    >>> taught_label(prediction, label, torch.tensor([False]))
    tensor([[[2, 1]]])
    """
    given = label != ignore_index
    whole = is_full & given.flatten(1).any(dim=1)
    return torch.where(given | whole[:, None, None], label, prediction)

"""PFA: features that look at prototypes of their picture's classes teach the features themselves.

Chan et al., "Scribble-Supervised Semantic Segmentation with Prototype-based Feature Augmentation",
ICML 2024. Of every picture and every class that its strokes name, the mean feature of the pixels
that the network is surest of is a *local* prototype; a memory of several *global* ones for each
class is filled and moved by the local ones. A small attention block lets every pixel's feature look
at the prototypes of its picture's classes. What the network makes of the augmented features is
taught by the strokes, and the plain prediction shall agree with it. Three stages:

* warm-up: partial cross entropy of the plain prediction;
* local: partial cross entropy of the prediction by local prototypes, and agreement with it;
* global, as soon as the memory holds ``slots`` prototypes of every class: partial cross entropy of
  the prediction by global prototypes, and agreement with both.

==================== ========= ============== ===============================================
hyper-parameter      paper     code, and ours meaning
==================== ========= ============== ===============================================
prototype_start      10 epochs 30 of 200      optimiser steps of the warm-up
warm_up_weight       1         1              strokes on the plain prediction until then
slots                5         10             global prototypes of each class
momentum             0.99      0.99           share of a global prototype that stays
local_weights                                 of the second stage:
- local_ce           1         1              strokes on the prediction by local prototypes
- local_consistency  0.02      0.02           agreement of the plain prediction with it
- plain_ce           1         0              strokes on the plain prediction
global_weights                                of the third stage:
- global_ce          1         1              strokes on the prediction by global prototypes
- local_consistency  0.02      0.01           agreement with that by local prototypes
- global_consistency 0.05      0.01           agreement with that by global prototypes
- plain_ce           1         0              strokes on the plain prediction
consistency          mse       cross_entropy  measure of the agreement
==================== ========= ============== ===============================================

The paper's values are second hand; the code's are the published ones. From the second stage on the
plain prediction learns through the shared weights and the agreement alone, as published.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from scribbleseg.data.sample import Batch, EvaluationBatch
from scribbleseg.errors import ConfigError
from scribbleseg.inference import Decision, predict
from scribbleseg.losses import consistency_loss, partial_cross_entropy
from scribbleseg.losses.consistency import Consistency
from scribbleseg.methods.base import SegmentationTask, Terms
from scribbleseg.networks.feature_augmentation import FeatureAugmentation
from scribbleseg.networks.padding import crop_like, pad_to_multiple
from scribbleseg.networks.prototypes import PrototypeMemory, local_prototypes
from scribbleseg.networks.running_statistics import kept_statistics
from scribbleseg.networks.semantic_map import SplitNetwork

__all__ = ["PFA", "StageWeights"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageWeights:
    """Weights of the terms in one stage; 0 leaves a term out.

    Args:
        plain_ce: Partial cross entropy of the plain prediction.
        local_ce: Partial cross entropy of the prediction by local prototypes.
        global_ce: Partial cross entropy of the prediction by global prototypes.
        local_consistency: Agreement of the plain prediction with that by local prototypes.
        global_consistency: Agreement of the plain prediction with that by global prototypes.
    """

    plain_ce: float = 0.0
    local_ce: float = 0.0
    global_ce: float = 0.0
    local_consistency: float = 0.0
    global_consistency: float = 0.0


class PFA(SegmentationTask):
    """Partial cross entropy on features augmented by prototypes, and agreement with it.

    Args:
        prototype_start: Optimiser steps of the warm-up; 15 % of all steps as published.
        warm_up_weight: Weight of the strokes on the plain prediction until then.
        slots: Global prototypes of each class; 0 for local ones alone.
        momentum: Share of a global prototype that stays when a local one moves it.
        local_weights: Weights before the memory is full.
        global_weights: Weights from then on.
        consistency: Measure of the agreement.
        prediction: What ``validate``, ``test`` and ``predict`` show after training: the ``plain``
            prediction, or that by ``local`` or ``global`` prototypes. Those are chosen by the
            classes of the plain prediction, or by ``data.evaluation_tags``; with ``mask``, as
            published, by an oracle. Validation during training, and exported models, are plain.
        class_pixels: Pixels of a class in the plain prediction from which on its prototypes count.
        harness: Options of `SegmentationTask`. The network can be split at its semantic map
            (``Segformer``, ``PlainUNet``, ``UNet``, ``DeepLabV3Plus``, ``PlainDeepLab``,
            ``MultiGridDeepLab``).
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def __init__(
        self,
        *,
        prototype_start: int,
        warm_up_weight: float = 1.0,
        slots: int = 10,
        momentum: float = 0.99,
        local_weights: StageWeights = StageWeights(local_ce=1.0, local_consistency=0.02),
        global_weights: StageWeights = StageWeights(
            global_ce=1.0, local_consistency=0.01, global_consistency=0.01
        ),
        consistency: Consistency = "cross_entropy",
        prediction: Literal["plain", "local", "global"] = "plain",
        class_pixels: int = 100,
        **harness: Any,
    ) -> None:
        super().__init__(**harness)
        if not isinstance(self.net, SplitNetwork):
            raise ConfigError(
                f"model.network: {type(self.net).__name__} has no split(image), where PFA changes "
                "features; take Segformer, PlainUNet, UNet, DeepLabV3Plus, PlainDeepLab or "
                "MultiGridDeepLab"
            )
        for name, value, least in (
            ("prototype_start", prototype_start, 0),
            ("slots", slots, 0),
            ("class_pixels", class_pixels, 1),
        ):
            if value < least:
                raise ConfigError(f"model.{name}: {value}; expected {least} or more")
        if warm_up_weight <= 0:
            raise ConfigError(f"model.warm_up_weight: {warm_up_weight}; expected more than 0")
        if not 0 <= momentum <= 1:
            raise ConfigError(f"model.momentum: {momentum}; expected 0 to 1")
        for name, stage in (("local_weights", local_weights), ("global_weights", global_weights)):
            values = asdict(stage)
            taught = any(weight for term, weight in values.items() if term.endswith("_ce"))
            if min(values.values()) < 0 or not taught:
                raise ConfigError(
                    f"model.{name}: {values}; expected 0 or more, and plain_ce, local_ce or "
                    "global_ce above 0"
                )
        if local_weights.global_ce or local_weights.global_consistency:
            raise ConfigError("model.local_weights: there are no global prototypes yet; use 0")
        if prediction == "global" and slots == 0:
            raise ConfigError("model.prediction: global needs model.slots above 0")
        self.prototype_start, self.prediction = prototype_start, prediction
        self.warm_up_weights = StageWeights(plain_ce=warm_up_weight)
        self.local_weights, self.global_weights = local_weights, global_weights
        self.consistency: Consistency = consistency
        self.class_pixels = class_pixels
        channels = self.net.semantic_channels
        self.augmentation = FeatureAugmentation(channels)
        self.memory = (
            PrototypeMemory(len(self.class_names), slots, channels, momentum=momentum)
            if slots
            else None
        )

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """The terms of the stage; the logits are those of the last prediction with strokes."""
        assert isinstance(self.net, SplitNetwork)
        image, tags = batch["image"], batch["tags"]
        features, rest = self.net.split(pad_to_multiple(image, self.net.stride))
        logits = {"plain": rest(features)}
        weights = self.warm_up_weights
        if self.global_step >= self.prototype_start:
            prototypes = local_prototypes(features, _on_map(logits["plain"], features), tags)
            weights = self._stage(prototypes, tags)
            logits |= self._augmented(features, rest, prototypes, tags, weights)

        terms = {}
        supervised = logits["plain"]
        for name, weight in asdict(weights).items():
            which, measure = name.split("_")
            if weight and measure == "ce":
                supervised = enlarged(logits[which], image, self.net.stride)
                terms[name] = weight * partial_cross_entropy(
                    supervised, batch["scribble"], ignore_index=self.ignore_index
                )
            elif weight:
                terms[name] = weight * consistency_loss(
                    logits["plain"], logits[which], kind=self.consistency
                )
        if len(logits) == 1:
            terms["plain_ce"] = terms["plain_ce"] + _without_effect(self.augmentation)
        return terms, supervised

    def _stage(self, prototypes: Tensor, tags: Tensor) -> StageWeights:
        """Bring the memory up to date; the weights that hold now."""
        if self.memory is None:
            return self.local_weights
        self.memory.update(prototypes, tags)
        return self.global_weights if self.memory.is_full else self.local_weights

    def _augmented(
        self,
        features: Tensor,
        rest: Callable[[Tensor], Tensor],
        prototypes: Tensor,
        tags: Tensor,
        weights: StageWeights,
    ) -> dict[str, Tensor]:
        """What the network makes of the augmented features, where a term asks for it."""
        seen = {}
        if weights.local_ce or weights.local_consistency:
            seen["local"] = (prototypes, tags)
        if weights.global_ce or weights.global_consistency:
            assert self.memory is not None
            seen["global"] = self.memory.of_tags(tags)
        # What is evaluated later is the plain prediction.
        with kept_statistics(self.net):
            return {name: rest(self.augmentation(features, *what)) for name, what in seen.items()}

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """During the warm-up the augmentation neither moves nor decays."""
        if self.global_step < self.prototype_start:
            for parameter in self.augmentation.parameters():
                parameter.grad = None

    def on_train_start(self) -> None:
        """Say that the run is too short for prototypes."""
        steps = self.trainer.estimated_stepping_batches
        if self.prototype_start >= steps and self.trainer.is_global_zero:
            log.warning(
                "model.prototype_start is %d, but the run has %d steps: prototypes never begin",
                self.prototype_start,
                steps,
            )

    def on_train_end(self) -> None:
        """Say which classes kept the third stage away."""
        if self.memory is None or not self.trainer.is_global_zero:
            return
        slots = self.memory.slots.shape[1]
        counts = zip(self.class_names, self.memory.filled.sum(dim=1).tolist(), strict=True)
        lacking = [f"{name} ({count})" for name, count in counts if count < slots]
        if lacking:
            log.warning(
                "global prototypes were never used: fewer than %d of %s", slots, ", ".join(lacking)
            )

    def decide(self, batch: EvaluationBatch, *, confidence: bool = False) -> list[Decision]:
        """What is decided for each picture, by the prediction that is asked for."""
        fitting = self._trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        if self.prediction == "plain" or fitting:
            return super().decide(batch, confidence=confidence)
        decisions = []
        for index, size in enumerate(batch["size"]):
            one = slice(index, index + 1)
            tags = batch["tags"][one] if "tags" in batch else None
            decisions += predict(
                partial(self.augmented_logits, tags=tags),
                batch["image"][one],
                [size],
                batch["normalise"],
                self.inference,
                confidence=confidence,
            )
        return decisions

    def label_settings(self) -> dict[str, Any]:
        """With the prediction that is shown."""
        shown = {"prediction": self.prediction, "class_pixels": self.class_pixels}
        return {**super().label_settings(), **shown}

    def augmented_logits(self, image: Tensor, tags: Tensor | None = None) -> Tensor:
        """Logits at the picture's size, of features augmented by prototypes.

        Args:
            image: ``(B, C, H, W)`` float, normalised.
            tags: ``(B, K)`` or ``(1, K)``, above 0 for the classes whose prototypes count; those of
                the plain prediction if None.

        Returns:
            ``(B, K, H, W)``.

        Raises:
            ConfigError: Global prototypes are asked for, and there are none of any class.
        """
        assert isinstance(self.net, SplitNetwork)
        features, rest = self.net.split(pad_to_multiple(image, self.net.stride))
        plain = rest(features)
        if tags is None:
            label = enlarged(plain, image, self.net.stride).argmax(dim=1).flatten(1)
            pixels = [(label == index).sum(dim=1) for index in range(plain.shape[1])]
            tags = torch.stack(pixels, dim=1) >= self.class_pixels
            tags[:, 0] = True  # as in training
        tags = tags.expand(len(image), -1)
        if self.prediction == "global":
            assert self.memory is not None
            if not self.memory.filled.any():
                raise ConfigError(
                    "model.prediction: global, but the memory has no prototypes; training begins "
                    f"to fill it in step {self.prototype_start}"
                )
            prototypes, present = self.memory.of_tags(tags)
        else:
            prototypes, present = local_prototypes(features, _on_map(plain, features), tags), tags
        return enlarged(
            rest(self.augmentation(features, prototypes, present)), image, self.net.stride
        )


def enlarged(logits: Tensor, image: Tensor, stride: int) -> Tensor:
    """Logits of a padded image at the size of the image itself.

    Args:
        logits: ``(B, K, h, w)`` of the image padded to multiples of ``stride``.
        image: ``(B, C, H, W)``.
        stride: Pixels.

    Returns:
        ``(B, K, H, W)``: bilinear with aligned corners, as published.
    """
    height, width = (-(-side // stride) * stride for side in image.shape[-2:])
    if logits.shape[-2:] != (height, width):
        logits = F.interpolate(logits, (height, width), mode="bilinear", align_corners=True)
    return crop_like(logits, image)


def _on_map(logits: Tensor, features: Tensor) -> Tensor:
    """Logits on the cells of the map, averaged where the network's head works finer."""
    if logits.shape[-2:] == features.shape[-2:]:
        return logits
    return F.interpolate(logits, features.shape[-2:], mode="area")


def _without_effect(module: torch.nn.Module) -> Tensor:
    """0, from every parameter: several processes wait for a gradient of each."""
    return 0 * torch.stack([parameter.sum() for parameter in module.parameters()]).sum()

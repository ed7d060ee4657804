"""The shallow base of all methods: everything about training that is not the paper's idea."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, ClassVar

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import get_ema_multi_avg_fn

from scribbleseg.data.sample import Batch, EvaluationBatch
from scribbleseg.data.tags import LabelTagSource
from scribbleseg.errors import ConfigError
from scribbleseg.evaluation.confusion import Scores, confusion_matrix
from scribbleseg.inference import PROTOCOLS, Decision, Inference, Protocol, predict
from scribbleseg.losses import far_background_loss, partial_cross_entropy
from scribbleseg.losses.precision import at_least_float32
from scribbleseg.methods.optimization import Optimization
from scribbleseg.networks.factory import NetworkFactory

__all__ = ["IDENTITY", "NetworkFactory", "SegmentationTask", "Terms", "in_precision"]

IDENTITY = "scribbleseg"
"""Key of a checkpoint under which `SegmentationTask.identity` is stored."""

FORMAT = 1
"""Version of the checkpoint's contents."""

Terms = dict[str, Tensor]
"""The named, already weighted scalar terms of a loss."""


class SegmentationTask(L.LightningModule, ABC):
    """A method: a network and a `training_loss`. These options are the same for every method.

    Args:
        network: Network to train, e.g. ``scribbleseg.networks.PlainUNet``.
        class_names: Names of the classes in the order of the labels; the command line takes them
            from the data.
        in_channels: Channels of a picture; taken from the data as well.
        ignore_index: Label value of unlabelled pixels; taken from the data as well.
        optimization: Optimiser, parameter groups and schedule.
        ema_decay: Decay of an exponential moving average of the weights, which is then what is
            evaluated and saved; null for none.
        freeze_batch_norm: Whether batch norms keep the running statistics that they came with and
            normalise by them, for batches too small to tell any; their weights learn.
        far_background_weight: Weight of the far-field term, which is added when
            ``data.background_prior`` is hull.
        mask_weight: Weight of the cross entropy on masks, which is added for methods that learn
            from scribbles, when some training images bring masks instead. A term of its own: in one
            mean with the strokes it would swamp them.
        inference: Scales, mirror images, windows and refinement of ``validate``, ``test``,
            ``predict`` and ``pseudolabel``. Validation during training takes one look at scale 1.
        protocol: A published evaluation by name, instead of ``inference``.
    """

    uses: ClassVar[frozenset[str]]
    """Kinds of supervision a training image may bring. To ``scribble`` the base adds masks; a
    method that names ``mask`` itself learns from them in its own way."""
    needs: ClassVar[frozenset[str]]
    """Kinds of supervision of which there must be at least one image; where the base adds masks,
    they will do for scribbles."""

    def __init__(
        self,
        network: NetworkFactory,
        class_names: Sequence[str],
        *,
        in_channels: int = 3,
        ignore_index: int = 255,
        optimization: Optimization = Optimization(),
        ema_decay: float | None = None,
        freeze_batch_norm: bool = False,
        far_background_weight: float = 1.0,
        mask_weight: float = 1.0,
        inference: Inference = Inference(),
        protocol: Protocol | None = None,
    ) -> None:
        super().__init__()
        if ema_decay is not None and not 0 <= ema_decay <= 1:
            raise ConfigError(f"model.ema_decay is {ema_decay}; expected 0 to 1, or null")
        self.class_names, self.ignore_index = list(class_names), ignore_index
        self.optimization, self.ema_decay = optimization, ema_decay
        self.freeze_batch_norm = freeze_batch_norm
        self.far_background_weight, self.mask_weight = far_background_weight, mask_weight
        self.net = network(len(self.class_names), in_channels).to(memory_format=torch.channels_last)
        self.confusion = np.zeros((len(self.class_names),) * 2, np.int64)
        self.terms: Terms = {}
        self.inference = inference if protocol is None else PROTOCOLS[protocol]
        self.wants_confidence = False

    @abstractmethod
    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """The method's terms, and the logits ``(B, K, H, W)`` at the picture's size."""

    def check_supervision(self, brings: frozenset[str]) -> None:
        """Refuse training images that the method cannot use.

        Args:
            brings: Kinds of supervision among the training images.

        Raises:
            ConfigError: A kind is missing, or one is not used; or a run could not be tested.
        """
        uses, missing = self.uses, self.needs - brings
        if "halves" in brings - uses:
            raise ConfigError(
                f"data.weak_batch_size: {type(self).__name__} knows no halves of a batch; set it "
                "to null"
            )
        if self._adds_masks:
            uses = uses | {"mask"}
            missing -= {"scribble"} if "mask" in brings else set()
        if brings - uses or missing:
            raise ConfigError(
                f"data.supervision: the training images bring {', '.join(sorted(brings))}, but "
                f"{type(self).__name__} needs "
                f"{', '.join(sorted(self.needs))} and uses {', '.join(sorted(uses))} only"
            )
        self._check_whole_pictures()

    def setup(self, stage: str) -> None:
        """Check the supervision before the first step, and that label images can be written."""
        if stage == "fit":
            self.check_supervision(self.trainer.datamodule.train_supervision)  # type: ignore[attr-defined]
        elif stage != "validate":
            self._check_whole_pictures()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Freeze what shall be; not before, as Lightning warns of modules that it finds so."""
        if self.freeze_batch_norm:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()

    @property
    def _adds_masks(self) -> bool:
        return "scribble" in self.uses and "mask" not in self.uses

    def _check_whole_pictures(self) -> None:
        if self.inference.center is not None:
            raise ConfigError(
                "model.inference.center (protocol pfa_crop) decides the middle of pictures alone; "
                "only validate can score that"
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Sum of the terms, each logged by its name."""
        terms, logits = self.training_loss(batch)
        if "far_background" in batch:
            far = far_background_loss(logits, batch["far_background"])
            terms = {**terms, "far_background": self.far_background_weight * far}
        if self._adds_masks and "mask" in batch:
            known = partial_cross_entropy(logits, batch["mask"], ignore_index=self.ignore_index)
            terms = {**terms, "mask_ce": self.mask_weight * known}
        loss = torch.stack(list(terms.values())).sum()
        self.terms = {name: term.detach() for name, term in terms.items()}
        self.log_dict(
            {f"loss/{name}": term for name, term in self.terms.items()}, batch_size=len(logits)
        )
        self.log("loss/total", loss.detach(), prog_bar=True, batch_size=len(logits))
        return loss

    def configure_optimizers(self) -> Any:
        """Optimiser and schedule of `Optimization`, stepped by optimiser step."""
        optimizer, schedule = self.optimization.build(
            self, int(self.trainer.estimated_stepping_batches)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_callbacks(self) -> list[L.Callback]:
        """The moving average of the weights, if asked for."""
        if self.ema_decay is None:
            return []
        # EMAWeightAveraging does the same one weight at a time.
        average = get_ema_multi_avg_fn(self.ema_decay)  # type: ignore[no-untyped-call]
        return [WeightAveraging(multi_avg_fn=average)]

    @property
    def predicting(self) -> nn.Module:
        """The network that predicts."""
        return self.net

    def decide(self, batch: EvaluationBatch, *, confidence: bool = False) -> list[Decision]:
        """What is decided for each picture of a batch, at the picture's size, on the host."""
        how = self.inference
        if self._trainer is not None and self.trainer.state.fn == TrainerFn.FITTING:
            # Validation between training steps has no time for more than one look.
            how = replace(how, scales=(1.0,), flip=False, refine="none")
        return predict(
            partial(in_precision, self.predicting),
            batch["image"],
            batch["size"],
            batch["normalise"],
            how,
            tags=batch.get("tags"),
            confidence=confidence,
        )

    def label_settings(self) -> dict[str, Any]:
        """What, beside the weights, decides over the labels of ``predict`` and ``pseudolabel``."""
        return {"inference": asdict(self.inference)}

    def check_tags(self, source: LabelTagSource, untagged: Sequence[str]) -> None:
        """Refuse pseudo labels of images whose classes would have to be known; here of none.

        Called before anything is written.

        Args:
            source: Where the classes of each image come from.
            untagged: Ids of the images of whose classes nothing is known; with ``none`` all.
        """

    def on_validation_epoch_start(self) -> None:
        """Counts start at zero."""
        self.confusion[:] = 0

    def validation_step(self, batch: EvaluationBatch, batch_idx: int) -> None:
        """Add a batch to the confusion matrix."""
        for decision, mask in zip(self.decide(batch), batch["mask"], strict=True):
            self.confusion += confusion_matrix(
                decision.label.numpy(),
                mask.cpu().numpy(),
                num_classes=len(self.class_names),
                ignore_index=self.ignore_index,
            )

    def on_validation_epoch_end(self) -> None:
        """Log the scores of all processes' counts together."""
        counts = self.trainer.strategy.reduce(
            torch.from_numpy(self.confusion).to(self.device), reduce_op="sum"
        )
        assert isinstance(counts, Tensor)
        self.confusion = counts.cpu().numpy()
        scores = Scores.from_counts(self.confusion)
        self.log_dict(
            {"val/miou": scores.miou, "val/pixel_accuracy": scores.pixel_accuracy}, prog_bar=True
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say what the weights belong to; compared before they are loaded."""
        checkpoint[IDENTITY] = self.identity()

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with, as plain values."""
        return {
            "format": FORMAT,
            "method": type(self).__name__,
            "network": type(self.net).__name__,
            "class_names": self.class_names,
        }

    def test_step(self, batch: EvaluationBatch, batch_idx: int) -> dict[str, list[Decision]]:
        """Label images, for the writer that stores them."""
        return {"decisions": self.decide(batch)}

    def predict_step(self, batch: EvaluationBatch, batch_idx: int) -> dict[str, list[Decision]]:
        """Label images, with confidence if a writer wants it."""
        return {"decisions": self.decide(batch, confidence=self.wants_confidence)}


def in_precision(net: nn.Module, image: Tensor) -> Tensor:
    """What a network of any precision says to a picture, in float32 at least.

    Args:
        net: The network.
        image: ``(B, C, H, W)`` float, normalised.

    Returns:
        ``(B, K, H, W)`` logits.
    """
    logits: Tensor = net(image.to(next(net.parameters(), image).dtype))
    return at_least_float32(logits)

"""USTM: a mean teacher, asked about turned and noisy pictures, heard where it is certain.

Liu et al., "Weakly Supervised Segmentation of COVID19 Infection with Scribble Annotation on CT
Images", Pattern Recognition 2022; in the form of WSL4MIS (Luo et al., MICCAI 2022, arXiv
2203.02106). The student learns the strokes, and its prediction, turned, shall be what the teacher
says about the turned picture under noise. More looks of the teacher, each under other noise, tell
where it is certain. The teacher's weights are a moving average of the student's.

| hyper-parameter | WSL4MIS | here |
| --- | --- | --- |
| consistency_weight | 1, reached in the last of 60,000 steps | in the last step of any run |
| teacher_decay | 0.99 | 0.99 |
| looks | 8 | 8 |
| noise | 0.1, cut at 0.2, of intensities 0..1 | the same, whatever the normalisation |
| certain below | entropy of (0.75 .. 1) log 2 | the same |
| turns | quarter turns, square pictures | the same; half turns of other pictures |
| first teacher | another random network | the student |
| pixels | all, padding included | all but padding |

The limit rises with every step of the run, the weight every thousand steps, as if each run had
60,000; here in 60 parts of the run, unless ``weight_ramp_steps`` says otherwise. Threshold and mean
are those of two classes, however many there are, as published: the gate is strict. The teacher
stays in training mode, dropout included. Predictions are the student's.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from scribbleseg.data.normalisation import Normalisation
from scribbleseg.data.sample import Batch
from scribbleseg.errors import ConfigError
from scribbleseg.losses import certain_consistency, partial_cross_entropy
from scribbleseg.losses.entropy import entropy_of
from scribbleseg.losses.precision import at_least_float32
from scribbleseg.methods.base import SegmentationTask, Terms
from scribbleseg.networks.mean_teacher import MeanTeacher

__all__ = ["USTM", "sigmoid_ramp"]

PARTS = 60
"""Equal parts of its ramp in each of which the weight of the consistency is constant."""

TOGETHER = 2
"""Looks that make one batch of the teacher's."""


class USTM(SegmentationTask):
    """Partial cross entropy, and consistency with a mean teacher where that is certain.

    Args:
        consistency_weight: Weight of the consistency at the end of the ramp.
        ramp_steps: Optimiser steps in which the certainty limit rises; null for all steps of the
            run.
        weight_ramp_steps: Optimiser steps in which the weight rises, in 60 parts; null for as many
            as the limit. The published code has 60000 here, however long the run is.
        teacher_decay: Share of itself that the teacher keeps in a step.
        looks: Looks of the teacher whose mean tells where it is certain, an even number.
        noise: Standard deviation of the noise on intensities 0..1; cut at twice as much.
        harness: Options of `SegmentationTask`.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def __init__(
        self,
        *,
        consistency_weight: float = 1.0,
        ramp_steps: int | None = None,
        weight_ramp_steps: int | None = None,
        teacher_decay: float = 0.99,
        looks: int = 8,
        noise: float = 0.1,
        **harness: Any,
    ) -> None:
        super().__init__(**harness)
        if looks < TOGETHER or looks % TOGETHER:
            raise ConfigError(f"model.looks: {looks}; expected an even number above 0")
        for name, steps in (("ramp_steps", ramp_steps), ("weight_ramp_steps", weight_ramp_steps)):
            if steps is not None and steps < 1:
                raise ConfigError(f"model.{name}: {steps}; expected 1 or more, or null")
        self.consistency_weight = consistency_weight
        self.ramp_steps, self.ramp_length = ramp_steps, ramp_steps or 1
        self.weight_ramp_steps = weight_ramp_steps
        self.looks, self.noise = looks, noise
        self.teacher = MeanTeacher(self.net, decay=teacher_decay)

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Strokes, and the teacher's word on the turned picture."""
        image = batch["image"]
        logits = self.net(image)
        turns = random_turns(image)
        turned = torch.rot90(image, turns, (2, 3))
        target = self.teacher(self._noisy(turned, batch["normalise"]))
        certain = self._uncertainty(turned, batch["normalise"]) < self._limit()
        certain &= torch.rot90(batch["valid"], turns, (1, 2))
        agreement = certain_consistency(torch.rot90(logits, turns, (2, 3)), target, certain)
        terms = {
            "partial_ce": partial_cross_entropy(
                logits, batch["scribble"], ignore_index=self.ignore_index
            ),
            "consistency": self._weight() * agreement,
        }
        return terms, logits

    def _noisy(self, image: Tensor, normalise: Normalisation) -> Tensor:
        noise = (self.noise * torch.randn_like(image)).clamp(-2 * self.noise, 2 * self.noise)
        return image + noise / image.new_tensor(normalise.std)[:, None, None]

    def _uncertainty(self, image: Tensor, normalise: Normalisation) -> Tensor:
        """Entropy ``(B, H, W)`` of the mean of several looks."""
        several = torch.cat([image] * TOGETHER)
        total = image.new_zeros(())
        for _ in range(self.looks // TOGETHER):
            prob = at_least_float32(self.teacher(self._noisy(several, normalise))).softmax(dim=1)
            total = total + torch.stack(prob.chunk(TOGETHER)).sum(dim=0)
        return entropy_of(total / self.looks)

    def _weight(self) -> float:
        """Weight of the consistency in this step."""
        part = PARTS * self.global_step // (self.weight_ramp_steps or self.ramp_length)
        return self.consistency_weight * sigmoid_ramp(part, PARTS)

    def _limit(self) -> float:
        """Entropy below which the teacher is certain in this step."""
        return (0.75 + 0.25 * sigmoid_ramp(self.global_step, self.ramp_length)) * math.log(2)

    def on_train_start(self) -> None:
        """See how long the run is, unless the length of the ramp is given.

        Raises:
            ConfigError: Neither it nor the run has an end.
        """
        if self.ramp_steps is None:
            steps = self.trainer.estimated_stepping_batches
            if math.isinf(steps):
                raise ConfigError(
                    "model.ramp_steps: null is all steps of the run, which has no end; give a "
                    "number, or trainer.max_steps"
                )
            self.ramp_length = int(steps)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Let the teacher follow."""
        step = self.global_step
        super().optimizer_step(*args, **kwargs)
        self.teacher.update(self.net, step)


def random_turns(image: Tensor) -> int:
    """Quarter turns that keep the shape of ``(B, C, H, W)``: 0 to 3, or 0 and 2 if not square."""
    height, width = image.shape[-2:]
    step = 1 if height == width else 2
    return step * int(torch.randint(4 // step, ()))


def sigmoid_ramp(step: int, length: int) -> float:
    """``exp(-5 (1 - step / length)^2)``, from 0.007 to 1, and 1 from ``length`` on.

    Laine and Aila, "Temporal Ensembling for Semi-Supervised Learning", ICLR 2017.

    >>> [round(sigmoid_ramp(step, 2), 3) for step in range(4)]
    [0.007, 0.287, 1.0, 1.0]
    """
    done = min(step / length, 1.0) if length else 1.0
    return math.exp(-5 * (1 - done) ** 2)

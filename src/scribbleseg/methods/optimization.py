"""Optimiser, parameter groups and learning-rate schedule, the same options for every method."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Literal

import torch
from timm.optim import Muon
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from scribbleseg.errors import ConfigError

__all__ = ["Optimization", "Schedule", "learning_rate_factor"]

Schedule = Literal["constant", "poly", "linear", "cosine", "step"]
"""Shape of the decay of a learning rate."""


@dataclass(frozen=True)
class Optimization:
    """How weights are updated.

    Args:
        optimizer: Update rule. ``muon`` (Jordan et al., 2024) takes the orthogonal factor of the
            momentum of each weight with two or more axes, a convolution's as a matrix of one row a
            filter, with Nesterov's look ahead, in steps as large as AdamW's (Liu et al., 2025,
            arXiv 2502.16982, equation 4); other parameters are AdamW's with that look ahead, at the
            same rate.
        lr: Base learning rate.
        weight_decay: Weight decay (AdamW and Muon: decoupled).
        momentum: Momentum of SGD and Muon.
        betas: Decay rates of AdamW's moments, in Muon those of its other parameters.
        lr_multipliers: Factor on the learning rate of all parameters whose name starts with the
            key; the longest key counts. Names as in ``named_parameters()``, e.g.
            ``net.classifier``; ``*`` stands for anything: ``net.encoder.*norm`` with factor 0
            leaves an encoder's norms as they are.
        decay_norm_and_bias: Whether weight decay acts on parameters with one axis (norms and
            biases) too.
        schedule: Shape of the decay from ``warmup_steps`` to the end.
        power: Exponent of the poly schedule.
        end_factor: Factor on the learning rate at which the decay ends.
        hold_steps: Optimiser steps for which the rate stays the same, an epoch's for schedules that
            were published by the epoch.
        warmup_steps: Optimiser steps of linear rise.
        warmup_start: Factor on the learning rate in step 0 of the warm-up.
        decay_from_start: Let the decay count from step 0, so that it has already begun where the
            warm-up ends.
    """

    optimizer: Literal["sgd", "adamw", "muon"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 1e-4
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    lr_multipliers: Mapping[str, float] = field(default_factory=dict)
    decay_norm_and_bias: bool = True
    schedule: Schedule = "poly"
    power: float = 0.9
    end_factor: float = 0.0
    hold_steps: int = 1
    warmup_steps: int = 0
    warmup_start: float = 0.0
    decay_from_start: bool = False

    def __post_init__(self) -> None:
        """Refuse rates below 0."""
        for name in ("lr", "weight_decay", "momentum"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"model.optimization.{name} is {getattr(self, name)}; expected 0 or more"
                )

    def build(
        self, module: nn.Module, total_steps: float, *others: tuple[nn.Module, Schedule]
    ) -> tuple[Optimizer, LambdaLR]:
        """Optimiser of a module's trainable parameters, and its schedule by optimiser step.

        Args:
            module: Owner of the parameters.
            total_steps: Optimiser steps of the whole run, perhaps with a fraction (LPL's poly ends
                1e-5 steps after the last).
            others: Further modules, each with a schedule of its own; everything else is the same,
                ``lr_multipliers`` included.

        Raises:
            ConfigError: A key of ``lr_multipliers`` matches no parameter of a module.
        """
        groups: list[dict[str, Any]] = []
        factors: list[Callable[[int], float]] = []
        for owner, schedule in ((module, self.schedule), *others):
            own = self._groups(owner)
            groups += own
            factors += [self._factor(schedule, total_steps)] * len(own)
        optimizer: Optimizer
        if self.optimizer == "sgd":
            optimizer = torch.optim.SGD(
                groups, self.lr, momentum=self.momentum, weight_decay=self.weight_decay
            )
        elif self.optimizer == "muon":
            optimizer = Muon(
                groups,
                self.lr,
                momentum=self.momentum,
                nesterov=True,
                weight_decay=self.weight_decay,
                betas=self.betas,
                adjust_lr_fn="match_rms_adamw",
            )
        else:
            optimizer = torch.optim.AdamW(
                groups, self.lr, betas=self.betas, weight_decay=self.weight_decay
            )
        return optimizer, LambdaLR(optimizer, factors)

    def _factor(self, schedule: Schedule, total_steps: float) -> Callable[[int], float]:
        return partial(
            learning_rate_factor,
            total_steps=total_steps,
            schedule=schedule,
            power=self.power,
            end_factor=self.end_factor,
            hold_steps=self.hold_steps,
            warmup_steps=self.warmup_steps,
            warmup_start=self.warmup_start,
            decay_from_start=self.decay_from_start,
        )

    def _groups(self, module: nn.Module) -> list[dict[str, Any]]:
        """One group for each pair (learning-rate factor, decays or not)."""
        groups: dict[tuple[float, bool], dict[str, Any]] = {}
        unused = set(self.lr_multipliers)
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            matches = [key for key in self.lr_multipliers if fnmatchcase(name, f"{key}*")]
            unused -= set(matches)
            multiplier = self.lr_multipliers[max(matches, key=len)] if matches else 1.0
            decays = self.decay_norm_and_bias or parameter.ndim > 1
            group = groups.setdefault(
                (multiplier, decays), {"params": [], "lr": self.lr * multiplier}
            )
            group["params"].append(parameter)
            if not decays:
                group["weight_decay"] = 0.0
        if unused:
            parts = sorted({name.rsplit(".", 2)[0] for name, _ in module.named_parameters()})
            raise ConfigError(
                f"optimization.lr_multipliers: no parameter starts with {sorted(unused)[0]!r}; "
                f"parameters lie in {', '.join(parts)}"
            )
        return list(groups.values())


def learning_rate_factor(
    step: int,
    total_steps: float,
    *,
    schedule: Schedule,
    power: float = 0.9,
    end_factor: float = 0.0,
    hold_steps: int = 1,
    warmup_steps: int = 0,
    warmup_start: float = 0.0,
    decay_from_start: bool = False,
) -> float:
    """Factor on the base learning rate in optimiser step ``step``, counted from 0.

    During the warm-up it rises linearly from ``warmup_start`` towards 1; after it, with t the share
    of the remaining steps (with ``decay_from_start``: of all steps) that are done: poly
    ``(1 - t)**power``, linear ``1 - t``, cosine ``(1 + cos(pi t)) / 2``, step a tenth after each
    third, all mapped from 0..1 to ``end_factor``..1. It changes every ``hold_steps`` steps; from
    ``total_steps`` on it stays at its last value.

    >>> [round(learning_rate_factor(s, 4, schedule="cosine"), 3) for s in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    step -= step % hold_steps
    if step < warmup_steps:
        return warmup_start + (1 - warmup_start) * step / warmup_steps
    first = 0 if decay_from_start else warmup_steps
    done = min((step - first) / max(total_steps - first, 1), 1.0)
    if schedule == "constant":
        return 1.0
    left: float = {
        "poly": (1 - done) ** power,
        "linear": 1 - done,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
        "step": 0.1 ** min(int(3 * done), 2),
    }[schedule]
    return end_factor + (1 - end_factor) * left

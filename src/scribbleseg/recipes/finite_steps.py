"""Steps without a finite loss and gradient: they leave no trace in the weights, only in a file."""

import json
import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer

from scribbleseg.annotation.id_list import some
from scribbleseg.errors import RunError
from scribbleseg.methods.base import SegmentationTask

__all__ = ["FiniteSteps"]

log = logging.getLogger(__name__)


class FiniteSteps(L.Callback):
    """Skips an optimiser step with NaN or infinity in a term of the loss or in a gradient.

    The step counts, but weights, optimiser state and buffers (running statistics, the state of
    methods) stay what they were. What went in and came out is appended to a file. All processes
    decide together.

    Args:
        record: The file, one JSON object a line: step, process, images, terms.
        patience: Number of such steps in a row that ends the run.
    """

    def __init__(self, record: Path, *, patience: int = 10) -> None:
        self.record, self.patience = record, patience
        self.in_a_row = 0
        self.images: list[str] = []
        self.terms: list[Mapping[str, Tensor]] = []
        self.buffers: list[Tensor] = []

    def state_dict(self) -> dict[str, Any]:
        """How many steps in a row were skipped."""
        return {"in_a_row": self.in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.in_a_row = state_dict["in_a_row"]

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember the images, and the buffers as they are before the step."""
        if not self.images:
            self.buffers = [buffer.detach().clone() for buffer in pl_module.buffers()]
        self.images += batch["name"]

    def on_before_backward(
        self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor
    ) -> None:
        """Remember the terms; several batches may make a step."""
        assert isinstance(pl_module, SegmentationTask)
        self.terms.append(pl_module.terms)

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer
    ) -> None:
        """Take the gradients away, so that the optimiser does nothing.

        Raises:
            RunError: This was one such step too many.
        """
        images, terms, self.images, self.terms = self.images, self.terms, [], []
        # With a gradient scaler infinite gradients are its way of finding the scale.
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        finite = _all_finite(terms) and (scaled or _finite_gradients(pl_module))
        if trainer.strategy.reduce_boolean_decision(finite, all=True):
            self.in_a_row = 0
            return
        self.in_a_row += 1
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, before in zip(pl_module.buffers(), self.buffers, strict=True):
                buffer.copy_(before)
        entries = _gather(
            {
                "step": trainer.global_step,
                "process": trainer.global_rank,
                "images": images,
                "terms": [{k: _plain(float(v)) for k, v in one.items()} for one in terms],
            }
        )
        self._write(trainer, entries)

    def _write(self, trainer: L.Trainer, entries: list[dict[str, Any]]) -> None:
        if trainer.is_global_zero:
            self.record.parent.mkdir(parents=True, exist_ok=True)
            with self.record.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in entries)
        wrong = {
            f"{name} {value}"
            for entry in entries
            for terms in entry["terms"]
            for name, value in terms.items()
            if isinstance(value, str)
        }
        what = (
            f"step {entries[0]['step']}: {', '.join(sorted(wrong)) or 'a gradient is not finite'}, "
            f"images {some([name for entry in entries for name in entry['images']])}"
        )
        if self.in_a_row >= self.patience:
            raise RunError(
                f"{self.record}: {self.in_a_row} steps in a row had no finite loss or gradient "
                f"({what}); the weights are those of the last good step; lower "
                "optimization.lr, or look at these images"
            )
        log.warning("%s: skipped, written to %s", what, self.record)


def _all_finite(terms: Iterable[Mapping[str, Tensor]]) -> bool:
    values = [value.float() for one in terms for value in one.values()]
    return bool(torch.isfinite(torch.stack(values)).all())


def _finite_gradients(module: L.LightningModule) -> bool:
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    return bool(torch.isfinite(torch.nn.utils.get_total_norm(gradients)))


def _plain(value: float) -> float | str:
    """JSON has no word for NaN."""
    return value if math.isfinite(value) else str(value)


def _gather(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of all processes, on each of them."""
    if not torch.distributed.is_initialized():
        return [entry]
    entries: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(entries, entry)
    return entries

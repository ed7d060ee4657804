"""What a training costs: seconds, images a second and memory, over all its resumes."""

import json
import sys
import time
from typing import Any

import lightning as L
import torch

from scribbleseg.recipes.run_folder import COST_FILE, RunFolder, write_text

__all__ = ["RunCost", "write_cost"]

MB = 1e6


class RunCost(L.Callback):
    """Measures a training; what it has counted is part of the checkpoints.

    Time is that of batches (loading, step, saving) and of validations, from the start of training
    to its end; not that of imports, of building the network and of the final test. A run that was
    killed and goes on from its last checkpoint counts the steps in between once.
    """

    def __init__(self) -> None:
        self.steps = self.images = 0
        self.seconds = self.validation_seconds = self.peak_bytes = 0.0
        self.last = 0.0
        self.step = 0

    def state_dict(self) -> dict[str, Any]:
        """What was counted so far."""
        return {
            "steps": self.steps,
            "images": self.images,
            "seconds": self.seconds,
            "validation_seconds": self.validation_seconds,
            "peak_bytes": self.peak_bytes,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self.last, self.step = time.monotonic(), trainer.global_step

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count the batch, and what it took since the one before."""
        self.steps += trainer.global_step - self.step
        self.step = trainer.global_step
        self.images += len(batch["name"]) * trainer.world_size
        self.seconds += self._lap()
        self.peak_bytes = max(self.peak_bytes, peak_memory(trainer.strategy.root_device))

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """What comes now is no training step."""
        if trainer.state.fn == "fit":
            self.seconds += self._lap()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count the validation."""
        if trainer.state.fn == "fit":
            self.validation_seconds += self._lap()

    def facts(self, steps: int) -> dict[str, Any]:
        """What the training has cost.

        Args:
            steps: Optimiser steps of the weights. A run that a version of ours without this clock
                has begun is not known completely: its seconds are None.
        """
        known = self.steps == steps
        total = self.seconds + self.validation_seconds
        return {
            "steps": steps,
            "seconds": round(total, 1) if known else None,
            "validation_seconds": round(self.validation_seconds, 1) if known else None,
            "images_per_second": round(self.images / self.seconds, 2) if self.seconds else None,
            "peak_memory_mb": round(self.peak_bytes / MB) or None,
        }

    def _lap(self) -> float:
        before, self.last = self.last, time.monotonic()
        return self.last - before


def peak_memory(device: torch.device) -> float:
    """Most bytes so far: of tensors on a GPU, otherwise of this process; 0 where it is unknown."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def write_cost(folder: RunFolder, cost: RunCost, steps: int) -> None:
    """Store ``cost.json``, with the share of the training list's pixels that have a label.

    Images that bring tags alone, and those that are left out, count as unlabelled, and as large as
    the others.

    Args:
        folder: The run; its ``environment.json`` is written.
        cost: What was measured.
        steps: Optimiser steps of the weights.
    """
    labelled = folder.environment()["training"]["labelled_share"]
    content = {**cost.facts(steps), "labelled_share": labelled}
    write_text(folder.path / COST_FILE, json.dumps(content, indent=2) + "\n")

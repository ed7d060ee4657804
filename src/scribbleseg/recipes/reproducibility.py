"""Runs that repeat, and resumed runs that go on exactly where they were.

Lightning's checkpoints hold neither random state nor the loader's position. So nothing here
depends on random state: the order is a function of (seed, epoch), a sample of the seed and its
`Draw`, and what is drawn inside a step of (seed, process, batches drawn before it).
"""

from typing import Any

import lightning as L
import numpy as np
import torch

from scribbleseg.data.loaders import batches_drawn

__all__ = ["Reproducible"]


class Reproducible(L.Callback):
    """Seeds every training step, for dropout and whatever else draws numbers in it.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed torch's generators, those of accelerators included."""
        place = np.random.SeedSequence([self.seed, trainer.global_rank, batches_drawn(trainer)])
        torch.manual_seed(int(place.generate_state(1, np.uint64)[0]))

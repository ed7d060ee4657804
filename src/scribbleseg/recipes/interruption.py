"""Being asked to stop: the step in progress is finished and saved, then the run leaves."""

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Self

import lightning as L

from scribbleseg.errors import Interrupted, RunError
from scribbleseg.recipes.checkpoint import CheckpointWriter
from scribbleseg.recipes.in_recipe import IN_RECIPE

__all__ = ["Interruption"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)

SAME_REQUEST = 3.0
"""Seconds within which a second SIGTERM to a stage is the first one, passed on."""


class Interruption(L.Callback):
    """Stops a run in good order on Ctrl-C or SIGTERM; a second signal leaves at once.

    Used as a context manager around everything that a command does. While batches are trained, the
    first signal is noted and acted on before the next batch, by all processes together: `save`,
    then `Interrupted`. At any other time it is acted on at once.

    Args:
        writer: Writes the checkpoint.
    """

    def __init__(self, writer: CheckpointWriter) -> None:
        self.writer = writer
        self.asked: int | None = None
        self.asked_at = 0.0
        self.process = os.getpid()
        self.training = False
        self.batches = 0
        self.trainer: L.Trainer | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take over the signals."""
        self._take_over()
        return self

    def __exit__(self, *error: object) -> None:
        """Give the signals back."""
        for signum, handler in self.before.items():
            signal.signal(signum, handler)
        self.before = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """From here on steps are finished first."""
        self.trainer, self.training = trainer, True
        # Lightning has put its own handlers on top by now, which talk to other processes in the
        # middle of whatever these are exchanging.
        self._take_over()

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Save and leave, if any process was asked to and no step is half done."""
        if not trainer.strategy.reduce_boolean_decision(self.asked is not None, all=False):
            return
        untouched = self.batches == 0
        if self.writer.can_save:
            self.writer.save(trainer)
        if self.writer.can_save or untouched:
            raise Interrupted(
                f"stopped by {self._name()} after step {trainer.global_step}; go on with --resume",
                self.asked or signal.SIGTERM,
            )

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count what this process has done."""
        self.batches += 1

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """From here on there is nothing to finish; what came in the last step counts now."""
        self.training = False

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Lightning has put its handlers on top again."""
        self._take_over()

    on_predict_start = on_validation_start = on_test_start

    def raise_if_asked(self, trainer: L.Trainer) -> None:
        """Leave, if a signal came to any process too late to be seen by a batch.

        Raises:
            Interrupted: One did.
        """
        if trainer.strategy.reduce_boolean_decision(self.asked is not None, all=False):
            raise Interrupted(
                f"stopped by {self._name()}; training is complete and saved, --resume tests it",
                self.asked or signal.SIGTERM,
            )

    def _take_over(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for signum in SIGNALS:
            before = signal.signal(signum, self._handle)
            self.before.setdefault(signum, before)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:
            return  # a loader worker; Ctrl-C reaches them too, and the step still needs them
        if self.asked is not None:
            # Batch systems signal a recipe and its stage, and the recipe passes its own on.
            again = signum == signal.SIGTERM and IN_RECIPE in os.environ
            if again and time.monotonic() - self.asked_at < SAME_REQUEST:
                return
            os._exit(128 + signum)
        launcher = getattr(getattr(self.trainer, "strategy", None), "launcher", None)
        for process in getattr(launcher, "procs", ()):
            if process.poll():
                raise RunError(
                    f"training process {process.pid} has failed with exit code "
                    f"{process.returncode}; what it said stands above"
                )
        self.asked, self.asked_at = signum, time.monotonic()
        if not self.training:
            raise Interrupted(f"stopped by {self._name()}", signum)
        print(
            f"\n{self._name()}: finishing the step and saving; once more to leave at once",
            file=sys.stderr,
            flush=True,
        )

    def _name(self) -> str:
        return "another process" if self.asked is None else signal.Signals(self.asked).name

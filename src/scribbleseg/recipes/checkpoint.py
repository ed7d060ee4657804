"""Checkpoints of a run: how and when they are written, and what they may be loaded into."""

import math
import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins import TorchCheckpointIO

from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import CheckpointError
from scribbleseg.methods.base import IDENTITY, SegmentationTask

__all__ = [
    "CheckpointWriter",
    "VerifiedCheckpoints",
    "check_identity",
    "load_weights",
    "read_checkpoint",
    "write_checkpoint",
]

UNREADABLE = (OSError, RuntimeError, ValueError, EOFError, KeyError, zipfile.BadZipFile)
"""What writing and reading back may raise; `torch.save` turns a full disk into a RuntimeError."""


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint so that ``path`` holds the old or the new one at every moment.

    The new one takes the place of the old one only after it was read back from the file.

    Args:
        checkpoint: Tensors and plain values.
        path: The file; its folder is made.

    Raises:
        CheckpointError: It could not be written, or does not read back; the old one is still there.
    """
    try:
        with whole_file(path, durable=True) as unfinished:
            with unfinished.open("wb") as file:  # torch's own file writer does not say why it fails
                torch.save(checkpoint, file)
            _check_archive(unfinished)
            torch.load(unfinished, map_location="cpu", weights_only=True)
    except (*UNREADABLE, pickle.PickleError) as error:
        kept = "; the one before it is intact" if path.is_file() else ""
        raise CheckpointError(
            f"{path}: could not be written ({_reason(error)}){kept}; make room or give "
            "permission, then go on with --resume"
        ) from error


class VerifiedCheckpoints(TorchCheckpointIO):
    """Lets the trainer write through `write_checkpoint`; its own writer hides denied writes."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint, or raise `CheckpointError`."""
        write_checkpoint(checkpoint, Path(path))


class CheckpointWriter(L.Callback):
    """Keeps ``last.ckpt`` (every so many steps, every validation, the end) and ``best.ckpt``.

    ``last.ckpt`` is written between two batches, when the validation and the log rows of the batch
    before are complete: a resumed run begins with the next batch, repeats nothing and leaves
    nothing out. (Lightning's own callback writes inside the hooks of a batch, before its log rows,
    and nothing at all when training ends by its number of steps between two validations.)

    Args:
        folder: Where the checkpoints go.
        every: Optimiser steps from one ``last.ckpt`` to the next.
        monitor: Name of the score; higher is better, an undefined one is never the best.
    """

    def __init__(self, folder: Path, *, every: int = 500, monitor: str = "val/miou") -> None:
        self.folder, self.every, self.monitor = folder, every, monitor
        self.best = -math.inf
        self.due = False
        self.saved = self.seen = 0
        self.can_save = False
        self.rows: int | None = None

    def state_dict(self) -> dict[str, Any]:
        """The best score so far, and the steps that the log has seen."""
        return {"best": self.best, "rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best, self.rows = state_dict["best"], state_dict["rows"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note where this process begins."""
        self.saved = self.seen = trainer.global_step

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write the state between the last batch and this one, if it is time."""
        loop = trainer.fit_loop.epoch_loop
        if self.rows is not None:
            # After a resume Lightning's own count depends on where the checkpoint was written.
            loop._batches_that_stepped = self.rows
            self.rows = None
        if self.due and self.can_save:
            self.save(trainer)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """See whether it is time, and whether gradients are waiting for further batches."""
        self.can_save = trainer.global_step > self.seen
        self.seen = trainer.global_step
        self.due |= self.seen - self.saved >= self.every

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the best weights; an undefined score is never the best."""
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        score = trainer.callback_metrics.get(self.monitor)
        if score is not None and math.isfinite(score) and float(score) > self.best:
            self.best = float(score)
            _save_together(trainer, self.folder / "best.ckpt")
        self.due = True

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the final state; this comes before a moving average takes the weights' place."""
        self._write_last(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Write ``last.ckpt`` at the start of a batch, as if that batch had not been fetched.

        Only while `can_save`: gradients that wait for further batches are in no checkpoint.
        """
        with _before_the_batch(trainer):
            self._write_last(trainer)
        self.due, self.saved = False, trainer.global_step

    def _write_last(self, trainer: L.Trainer) -> None:
        self.rows = trainer.fit_loop.epoch_loop._batches_that_stepped
        _save_together(trainer, self.folder / "last.ckpt")
        self.rows = None


def _save_together(trainer: L.Trainer, path: Path) -> None:
    """Write the checkpoint; if the process that writes fails, every process says so and leaves.

    (The others would wait for it in Lightning's barrier for ever.)
    """
    failure: CheckpointError | None = None
    try:
        trainer.save_checkpoint(path, weights_only=False)
    except CheckpointError as error:
        failure = error
        trainer.strategy.barrier("Trainer.save_checkpoint")
    if trainer.strategy.reduce_boolean_decision(failure is not None, all=False):
        raise failure or CheckpointError(f"{path}: the process that writes it could not")


@contextmanager
def _before_the_batch(trainer: L.Trainer) -> Iterator[None]:
    """The trainer's counters as they were before it fetched the batch that is about to start."""
    progress = trainer.fit_loop.epoch_loop.batch_progress
    is_last = progress.is_last_batch
    progress.is_last_batch = False
    progress.total.ready -= 1
    progress.current.ready -= 1
    try:
        yield
    finally:
        progress.is_last_batch = is_last
        progress.total.ready += 1
        progress.current.ready += 1


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of one of our checkpoints.

    Raises:
        CheckpointError: The file is missing, damaged, holds more than plain data, or was not
            written by scribbleseg.
    """
    try:
        _check_archive(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except Exception as error:  # damaged archives make the reader raise almost anything
        raise CheckpointError(
            f"{path}: cannot be read as plain data ({_reason(error)}); a checkpoint is never "
            "executed; take another one of the run, or one you can trust"
        ) from None
    if not isinstance(checkpoint, dict) or IDENTITY not in checkpoint:
        raise CheckpointError(f"{path}: is not a checkpoint of scribbleseg")
    return checkpoint


def load_weights(task: SegmentationTask, path: Path) -> int:
    """Load a checkpoint's weights into a method of the same kind, network and classes.

    Returns:
        Optimiser steps that the weights have seen.

    Raises:
        CheckpointError: As `read_checkpoint`, or the checkpoint belongs to something else; the
            differences are listed.
    """
    checkpoint = read_checkpoint(path)
    check_identity(task, checkpoint, path)
    state = checkpoint["state_dict"]
    wanted = task.state_dict()
    problems = [f"{key} is missing" for key in wanted if key not in state]
    problems += [f"{key} is unknown" for key in state if key not in wanted]
    problems += [
        f"{key} is {tuple(state[key].shape)}, expected {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    if problems:
        raise CheckpointError(
            f"{path}: weights do not fit the network: {'; '.join(problems[:3])} ({len(problems)} "
            "differences)"
        )
    task.load_state_dict(state)
    return int(checkpoint.get("global_step", 0))


def check_identity(task: SegmentationTask, checkpoint: dict[str, Any], path: Path) -> None:
    """Compare what a checkpoint belongs to with a method.

    Raises:
        CheckpointError: They differ; every difference is listed.
    """
    found, wanted = checkpoint[IDENTITY], task.identity()
    differences = [
        f"{key} {_short(found.get(key))} instead of {_short(value)}"
        for key, value in wanted.items()
        if found.get(key) != value
    ]
    if differences:
        raise CheckpointError(f"{path}: belongs to something else: {'; '.join(differences)}")


def _check_archive(path: Path) -> None:
    """Compare every record with its checksum, which torch does not."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"record {damaged} is damaged")


def _reason(error: BaseException) -> str:
    """The first line of the error, or of the system's error that lies behind it."""
    behind = error
    while not isinstance(behind, OSError) and behind.__context__ is not None:
        behind = behind.__context__
    if isinstance(behind, OSError) and behind.strerror:
        return behind.strerror
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200] if text else 'no reason given'}"


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > 6:
        return f"{len(value)} classes ({', '.join(map(str, value[:3]))}, ...)"
    return str(value)

"""Checkpoints of a run: when they are written, and what they may be loaded into."""

import math
from pathlib import Path
from typing import Any

import lightning as L
import torch

from scribbleseg.errors import CheckpointError
from scribbleseg.methods.base import IDENTITY, SegmentationTask

__all__ = ["CheckpointWriter", "check_identity", "load_weights", "read_checkpoint"]


class CheckpointWriter(L.Callback):
    """Keeps ``last.ckpt`` (every validation, and the end) and ``best.ckpt`` (by a score).

    Lightning's own callback writes nothing when training ends by its number of steps between two
    validations.

    Args:
        folder: Where the checkpoints go.
        monitor: Name of the score; higher is better.
    """

    def __init__(self, folder: Path, monitor: str = "val/miou") -> None:
        self.folder, self.monitor = folder, monitor
        self.best = -math.inf

    def state_dict(self) -> dict[str, Any]:
        """The best score so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the best score so far."""
        self.best = state_dict["best"]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the checkpoints; an undefined score is never the best."""
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        score = trainer.callback_metrics.get(self.monitor)
        if score is not None and math.isfinite(score) and float(score) > self.best:
            self.best = float(score)
            trainer.save_checkpoint(self.folder / "best.ckpt", weights_only=False)
        trainer.save_checkpoint(self.folder / "last.ckpt", weights_only=False)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the final weights."""
        trainer.save_checkpoint(self.folder / "last.ckpt", weights_only=False)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of one of our checkpoints.

    Raises:
        CheckpointError: The file is missing, damaged, holds more than plain data, or was not
            written by scribbleseg.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except Exception as error:  # damaged archives make the reader raise almost anything
        reason = str(error).splitlines()[0][:200] if str(error) else "no reason given"
        raise CheckpointError(
            f"{path}: cannot be read as plain data ({type(error).__name__}: {reason})"
        ) from None
    if not isinstance(checkpoint, dict) or IDENTITY not in checkpoint:
        raise CheckpointError(f"{path}: is not a checkpoint of scribbleseg")
    return checkpoint


def load_weights(task: SegmentationTask, path: Path) -> None:
    """Load a checkpoint's weights into a method of the same kind, network and classes.

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


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > 6:
        return f"{len(value)} classes ({', '.join(map(str, value[:3]))}, ...)"
    return str(value)

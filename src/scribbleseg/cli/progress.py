"""Progress as plain lines, for logs and pipes."""

import time
from typing import Any

import lightning as L

__all__ = ["LineProgress"]

INTERVAL_S = 15.0


class LineProgress(L.Callback):
    """Prints a line every quarter of a minute, and one after every validation."""

    def __init__(self) -> None:
        self.printed = 0.0
        self.started = 0.0
        self.first_step = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self.started = self.printed = time.monotonic()
        self.first_step = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Say how far it is, if a while has passed."""
        now = time.monotonic()
        if now - self.printed >= INTERVAL_S:
            self.printed = now
            self._print(trainer, "loss", float(outputs["loss"]))

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say the score."""
        if trainer.state.fn == "fit" and "val/miou" in trainer.callback_metrics:
            self._print(trainer, "val/miou", float(trainer.callback_metrics["val/miou"]))

    def _print(self, trainer: L.Trainer, name: str, value: float) -> None:
        if not trainer.is_global_zero:
            return
        step, total = trainer.global_step, int(trainer.estimated_stepping_batches)
        pace = (time.monotonic() - self.started) / max(step - self.first_step, 1)
        left = round(pace * (total - step))
        print(
            f"step {step}/{total}  {name} {value:.4f}  {pace:.2f} s a step, "
            f"{left // 60}:{left % 60:02d} left",
            flush=True,
        )

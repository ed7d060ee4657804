"""Storing predicted label maps as they come, so that no set of them has to fit into memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from PIL import Image
from torch import Tensor

from scribbleseg.annotation.image_file import read_image
from scribbleseg.annotation.label_image import write_label
from scribbleseg.annotation.overlay import overlay

__all__ = ["LabelWriter"]


class LabelWriter(L.Callback):
    """Writes every predicted label map as an index PNG of its picture's size.

    Args:
        folder: Where ``<id>.png`` goes.
        palette: RGB of each class, 0..255.
        overlays: Folder for the tinted pictures; None for none.
        pictures: Picture of each id, for overlays.
    """

    def __init__(
        self,
        folder: Path,
        palette: Sequence[tuple[int, int, int]],
        *,
        overlays: Path | None = None,
        pictures: dict[str, Path] | None = None,
    ) -> None:
        self.folder, self.palette = folder, palette
        self.overlays, self.pictures = overlays, pictures or {}

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the maps of a batch."""
        self._write(batch["name"], outputs["labels"])

    on_predict_batch_end = on_test_batch_end

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Nobody goes on to read the files before every process has written its own."""
        trainer.strategy.barrier()

    def _write(self, names: Sequence[str], labels: Sequence[Tensor]) -> None:
        for name, label in zip(names, labels, strict=True):
            pixels = label.numpy()
            stored = pixels if pixels.dtype == np.uint8 else pixels.astype(np.uint16)
            write_label(self.folder / f"{name}.png", stored, self.palette)
            if self.overlays is not None:
                path = self.overlays / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                tinted = overlay(read_image(self.pictures[name]), stored, self.palette)
                Image.fromarray(tinted).save(path)

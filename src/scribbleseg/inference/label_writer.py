"""Storing predicted label maps as they come, so that no set of them has to fit into memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from PIL import Image

from scribbleseg.annotation.image_file import read_image
from scribbleseg.annotation.label_image import Color, LabelImage, write_label
from scribbleseg.annotation.tinting import overlay
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.data.layout import Record
from scribbleseg.inference.labels import Decision

__all__ = ["LabelWriter", "stored_label"]

OVERLAY_SIDE = 4096
"""Longest side of an overlay, pixels; it is there to be looked at."""


class LabelWriter(L.Callback):
    """Writes every predicted label map as an index PNG of its picture's size.

    Args:
        folder: Where ``<id>.png`` goes.
        palette: RGB of each class, 0..255.
        overlays: Folder for the tinted pictures; None for none.
        records: Files of each id, for overlays.
    """

    def __init__(
        self,
        folder: Path,
        palette: Sequence[Color],
        *,
        overlays: Path | None = None,
        records: Mapping[str, Record] | None = None,
    ) -> None:
        self.folder, self.palette = folder, palette
        self.overlays, self.records = overlays, records or {}

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
        for name, decision in zip(batch["name"], outputs["decisions"], strict=True):
            self._write(name, decision)

    on_predict_batch_end = on_test_batch_end

    def _write(self, name: str, decision: Decision) -> None:
        label = stored_label(decision)
        if self.overlays is not None:
            _write_overlay(self.overlays / f"{name}.png", self.records[name], label, self.palette)
        # Last: a picture whose label is there is done.
        write_label(self.folder / f"{name}.png", label, self.palette)


def stored_label(decision: Decision) -> LabelImage:
    """The label map as it goes to a file, uint8 or uint16."""
    pixels = decision.label.numpy()
    return pixels if pixels.dtype == np.uint8 else pixels.astype(np.uint16)


def _write_overlay(path: Path, record: Record, label: LabelImage, palette: Sequence[Color]) -> None:
    picture = read_image(record.image, page=record.page)
    step = -(-max(label.shape) // OVERLAY_SIDE)
    tinted = overlay(picture[::step, ::step], label[::step, ::step], palette)
    with whole_file(path) as unfinished:
        Image.fromarray(tinted).save(unfinished, format="PNG")

"""Writing what a network decides, where it is sure enough, as labels for the next stage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scribbleseg.annotation.label_image import Color, LabelImage, read_label, write_label
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.data.pseudo_labels import confidence_path, label_path
from scribbleseg.inference.label_writer import stored_label

__all__ = ["PseudoLabelWriter", "pseudo_label"]

Bytes = NDArray[np.uint8]


class PseudoLabelWriter(L.Callback):
    """Writes ``<id>.png`` and ``<id>.confidence.png`` for every picture.

    Args:
        folder: Where they go.
        palette: RGB of each class, 0..255.
        thresholds: ``(K,)``; less sure decisions for a class become ``ignore_index``, 0..1.
        ignore_index: Value of undecided pixels.
        scribbles: Scribble of each id, whose pixels take the place of the network's; None leaves
            the network's.
    """

    def __init__(
        self,
        folder: Path,
        palette: Sequence[Color],
        *,
        thresholds: Sequence[float],
        ignore_index: int = 255,
        scribbles: Mapping[str, Path] | None = None,
    ) -> None:
        self.folder, self.palette = folder, palette
        self.thresholds, self.ignore_index = np.asarray(thresholds), ignore_index
        self.scribbles = scribbles or {}

    def on_predict_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the labels of a batch."""
        for name, decision in zip(batch["name"], outputs["decisions"], strict=True):
            scribble = read_label(self.scribbles[name]) if name in self.scribbles else None
            label, confidence = pseudo_label(
                stored_label(decision),
                decision.confidence.numpy(),
                self.thresholds,
                ignore_index=self.ignore_index,
                scribble=scribble,
            )
            path = confidence_path(self.folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as unfinished:
                Image.fromarray(confidence).save(unfinished, format="PNG")
            # Last: a picture whose label is there is done.
            write_label(label_path(self.folder, name), label, self.palette)


def pseudo_label(
    label: LabelImage,
    confidence: Bytes,
    thresholds: NDArray[np.float64],
    *,
    ignore_index: int = 255,
    scribble: LabelImage | None = None,
) -> tuple[LabelImage, Bytes]:
    """Labels where they are sure enough, strokes where there are strokes.

    Args:
        label: ``(H, W)`` decisions.
        confidence: ``(H, W)`` uint8, probability times 255; 0 says that nothing was decided.
        thresholds: ``(K,)`` least probability for each class, 0..1.
        ignore_index: Value of undecided pixels.
        scribble: ``(H, W)`` labels that are known, or None.

    Returns:
        Label and confidence; a stroke has confidence 255.

    >>> decided, sure = np.array([[0, 1, 1]], np.uint8), np.array([[99, 200, 99]], np.uint8)
    >>> pseudo_label(decided, sure, np.array([0, 0.5]))[0]
    array([[  0,   1, 255]], dtype=uint8)
    """
    wide = np.uint8 if ignore_index < 256 else np.uint16
    unsure = confidence < np.ceil(255 * thresholds).clip(min=1)[label]
    result: LabelImage = np.where(unsure, wide(ignore_index), label.astype(wide))
    confidence = confidence.copy()
    if scribble is not None:
        drawn = scribble != ignore_index
        result[drawn] = scribble[drawn]
        confidence[drawn] = 255
    return result, confidence

"""Mumford-Shah: partial cross entropy, regions of even intensity, and short outlines.

``L = pCE + 1e-6 MS``. Kim and Ye, "Mumford-Shah Loss Functional for Image Segmentation with Deep
Learning", IEEE TIP 2020, arXiv 1904.02872; for scribbles in WSL4MIS (Luo et al., MICCAI 2022, arXiv
2203.02106), whose code calls the functional with image and prediction exchanged. See
`scribbleseg.losses.mumford_shah` for both forms.

| hyper-parameter | WSL4MIS | here |
| --- | --- | --- |
| weight | 1e-6, no ramp-up | 1e-6, no ramp-up |
| form | exchanged | exchanged (``wsl4mis``), which has the published figures; or ``paper`` |
| intensities | 0..1 | 0..1, whatever the network sees |
| pixels | all, padding included | all but padding |

MS is a sum over images and pixels. The weight belongs to batches of 12 images of 256 x 256 pixels:
for a quarter of the pixels four times as much does the same.
"""

from typing import Any, ClassVar, Literal

from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.losses import mumford_shah, mumford_shah_wsl4mis, partial_cross_entropy
from scribbleseg.methods.base import SegmentationTask, Terms

__all__ = ["MumfordShah"]


class MumfordShah(SegmentationTask):
    """Partial cross entropy and the Mumford-Shah functional.

    Args:
        functional_weight: Weight of the functional, a sum over the images of a batch and their
            pixels.
        form: The functional of the ``paper``, or as ``wsl4mis`` calls it.
        harness: Options of `SegmentationTask`.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def __init__(
        self,
        *,
        functional_weight: float = 1e-6,
        form: Literal["paper", "wsl4mis"] = "wsl4mis",
        **harness: Any,
    ) -> None:
        super().__init__(**harness)
        self.functional_weight = functional_weight
        self.functional = mumford_shah if form == "paper" else mumford_shah_wsl4mis

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Cross entropy over the strokes, the functional over all pixels that are not padding."""
        logits = self.net(batch["image"])
        intensity = batch["normalise"].undo(batch["image"])
        terms = {
            "partial_ce": partial_cross_entropy(
                logits, batch["scribble"], ignore_index=self.ignore_index
            ),
            "mumford_shah": self.functional_weight
            * self.functional(logits, intensity, batch["valid"]),
        }
        return terms, logits

"""Gated CRF: partial cross entropy, and like classes where neighbours have like colours.

``L = pCE + 0.1 CRF``, CRF the energy of `gated_crf_loss`. Obukhov et al., "Gated CRF Loss for
Weakly Supervised Semantic Image Segmentation", 2019, arXiv 1906.04651, with the settings of WSL4MIS
(Luo et al., MICCAI 2022, arXiv 2203.02106).

| hyper-parameter | WSL4MIS | here |
| --- | --- | --- |
| weight of the CRF | 0.1, no ramp-up | 0.1, no ramp-up |
| radius of the window | 5 of 256 pixels a side | 5 pixels |
| sigma_xy | 6 pixels | 6 pixels |
| sigma_rgb | 0.1, intensities in 0..1 | 0.1, intensities in 0..1 |
| source gate | none | all but padding |
| pairs with pixels outside the picture | counted, a constant | not counted |

The window and sigma_xy are in pixels of the network's input, whatever its size.
"""

from typing import Any, ClassVar

from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.errors import ConfigError
from scribbleseg.losses import PairKernel, gated_crf_loss, partial_cross_entropy
from scribbleseg.methods.base import SegmentationTask, Terms

__all__ = ["GatedCRF"]


class GatedCRF(SegmentationTask):
    """Partial cross entropy and the gated CRF loss of all pixels.

    Args:
        crf_weight: Weight of the CRF term, 0 or more.
        radius: Half the side of the window in which pixels are compared, pixels.
        sigma_xy: Standard deviation of the distance of two pixels that belong together, pixels.
        sigma_rgb: Standard deviation of their difference in colour, on the 0..1 scale; squares are
            summed over the channels.
        harness: Options of `SegmentationTask`.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def __init__(
        self,
        *,
        crf_weight: float = 0.1,
        radius: int = 5,
        sigma_xy: float = 6.0,
        sigma_rgb: float = 0.1,
        **harness: Any,
    ) -> None:
        super().__init__(**harness)
        if crf_weight < 0 or radius < 1 or min(sigma_xy, sigma_rgb) <= 0:
            raise ConfigError(
                f"model: crf_weight {crf_weight} must be 0 or more, radius {radius} 1 or more, "
                f"sigma_xy {sigma_xy} and sigma_rgb {sigma_rgb} above 0"
            )
        self.crf_weight, self.radius = crf_weight, radius
        self.kernel = PairKernel(1.0, sigma_xy, sigma_rgb)

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Cross entropy over the strokes, the CRF over all pixels that are not padding."""
        logits = self.net(batch["image"])
        crf = gated_crf_loss(
            logits,
            batch["normalise"].undo(batch["image"]),
            source=batch["valid"],
            kernels=[self.kernel],
            radius=self.radius,
        )
        terms = {
            "partial_ce": partial_cross_entropy(
                logits, batch["scribble"], ignore_index=self.ignore_index
            ),
            "gated_crf": self.crf_weight * crf,
        }
        return terms, logits

"""DMPLS: two decoders whose predictions, mixed at random, are the labels of both.

Luo et al., "Scribble-Supervised Medical Image Segmentation via Dual-Branch Network and Dynamically
Mixed Pseudo Labels Supervision", MICCAI 2022, arXiv 2203.02106; code: WSL4MIS. One encoder, two
decoders of one architecture and different initial weights; what the auxiliary one sees of the
encoder has lost half of its channels at random. In every step the two predictions are mixed by a
random share, and both decoders learn the labels of the mixture beside the strokes:

``L = (pCE(z1) + pCE(z2)) / 2 + 0.5 (Dice(p1, t) + Dice(p2, t)) / 2``,
``t = argmax(beta p1 + (1 - beta) p2)``.

| hyper-parameter | paper and code | here |
| --- | --- | --- |
| pseudo_weight | 0.5, no ramp-up | 0.5, no ramp-up |
| feature_dropout | 0.5 | 0.5 |
| beta | uniform in 0..1, one for the batch | the same |
| pixels of the Dice loss | all, padding included | all but padding |

Predictions are the main decoder's; exported models have no other.
"""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.data.sample import Batch
from scribbleseg.losses import dice_loss, partial_cross_entropy
from scribbleseg.losses.precision import at_least_float32
from scribbleseg.methods.base import SegmentationTask, Terms
from scribbleseg.networks.padding import crop_like, pad_to_multiple
from scribbleseg.networks.two_decoders import DecodingNetwork, decoder_only

__all__ = ["DMPLS", "mixed_pseudo_label"]

SMOOTHING = 1e-5
"""Of the Dice loss in a batch of one image."""


class DMPLS(SegmentationTask):
    """Partial cross entropy and mixed pseudo labels for a main and an auxiliary decoder.

    Args:
        pseudo_weight: Weight of the pseudo labels' term.
        feature_dropout: Share of the channels of each encoder map that the auxiliary decoder does
            not see.
        harness: Options of `SegmentationTask`. The network's encoder and decoder can be used one
            after the other (``PlainUNet``, ``UNet``, ``DeepLabV3Plus``, ``Segformer``).
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def __init__(
        self, *, pseudo_weight: float = 0.5, feature_dropout: float = 0.5, **harness: Any
    ) -> None:
        super().__init__(**harness)
        self.pseudo_weight, self.feature_dropout = pseudo_weight, feature_dropout
        self.auxiliary = decoder_only(
            harness["network"], len(self.class_names), harness.get("in_channels", 3)
        ).to(memory_format=torch.channels_last)

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Strokes and mixed labels for both decoders; the logits are the main one's."""
        assert isinstance(self.net, DecodingNetwork)
        assert isinstance(self.auxiliary, DecodingNetwork)
        image, ignore = batch["image"], self.ignore_index
        maps = self.net.encode(pad_to_multiple(image, self.net.stride))
        dropped = [F.dropout2d(one, self.feature_dropout) for one in maps]
        both = [
            crop_like(self.net.decode(maps), image),
            crop_like(self.auxiliary.decode(dropped), image),
        ]
        beta = torch.rand(()).item()
        label = mixed_pseudo_label(*both, beta=beta).where(batch["valid"], ignore)
        # The published code counts every pixel of the Dice sums once for each image of the batch.
        smoothing = SMOOTHING / len(image)
        strokes = [partial_cross_entropy(z, batch["scribble"], ignore_index=ignore) for z in both]
        dice = [dice_loss(z, label, ignore_index=ignore, smoothing=smoothing) for z in both]
        terms = {
            "partial_ce": torch.stack(strokes).mean(),
            "pseudo_dice": self.pseudo_weight * torch.stack(dice).mean(),
        }
        return terms, both[0]


def mixed_pseudo_label(main: Tensor, auxiliary: Tensor, *, beta: float) -> Tensor:
    """The most likely class of each pixel in a mixture of two predictions.

    Args:
        main: ``(B, K, H, W)`` float, unnormalised.
        auxiliary: ``(B, K, H, W)`` float, unnormalised.
        beta: Share of the main prediction, 0..1.

    Returns:
        ``(B, H, W)`` int64, without a gradient; of equals the first.

    >>> main, auxiliary = torch.tensor([[[[2.0]], [[0.0]]]]), torch.tensor([[[[0.0]], [[3.0]]]])
    >>> [mixed_pseudo_label(main, auxiliary, beta=b).item() for b in (0.4, 0.6)]
    [1, 0]
    """
    first, second = (at_least_float32(z.detach()).softmax(dim=1) for z in (main, auxiliary))
    return (beta * first + (1 - beta) * second).argmax(dim=1)

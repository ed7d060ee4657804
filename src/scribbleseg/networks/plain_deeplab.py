"""The network of LPL: DeepLabV3+ with plain convolutions, on any encoder.

Wang et al., "Learning pseudo labels for semi-and-weakly supervised semantic segmentation", Pattern
Recognition 132, 2022. DeepLabV3+: Chen et al., ECCV 2018, here at stride 8 with the dilations of
stride 16, no separable convolutions, and a 3x3 convolution on the finer map where the paper has a
1x1. `DeepLabV3Plus` is the modern form.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scribbleseg.networks.aspp import ASPP, conv_norm_relu
from scribbleseg.networks.weights import build_encoder

__all__ = ["PlainDeepLab"]

LEVELS = 4
"""Encoder maps that `PlainDeepLab.features` hands out; the first and the last are used."""


class PlainDeepLab(nn.Module):
    """DeepLabV3+ with plain convolutions; takes pictures of any size.

    Training needs two pictures a batch, see `ASPP`.

    Args:
        num_classes: Classes predicted, background included.
        in_channels: Channels of the image.
        encoder: Encoder of segmentation_models_pytorch, or ``tu-<name>`` for one of timm.
        weights: Encoder weights: none, imagenet, or a file.
        output_stride: Stride of the encoder's last map; 32 for encoders that cannot be dilated.
        atrous_rates: Dilations of the ASPP; a 1x1 convolution and the mean are always there.
        channels: Channels of the ASPP and the decoder.
        shortcut_channels: Channels of the encoder's finer map in the decoder.
        dropout: Rate at which values of the ASPP's map are dropped.
    """

    stride: int = 1

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        encoder: str = "tu-resnet101s",
        weights: str = "none",
        output_stride: Literal[8, 16, 32] = 8,
        atrous_rates: tuple[int, int, int] = (6, 12, 18),
        channels: int = 256,
        shortcut_channels: int = 48,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder, weights, in_channels, output_stride=output_stride)
        finer, *_, deepest = list(self.encoder.out_channels)[-LEVELS:]  # type: ignore[arg-type]
        self.semantic_channels = channels
        # Everything but the encoder keeps the random start of torch, as published.
        self.aspp = ASPP(deepest, channels, (0, *atrous_rates), dropout=dropout)
        self.shortcut = conv_norm_relu(finer, shortcut_channels, 3)
        self.fusion = nn.Sequential(
            conv_norm_relu(channels + shortcut_channels, channels, 3),
            conv_norm_relu(channels, channels, 3),
        )
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def features(self, image: Tensor) -> list[Tensor]:
        """The decoder's map, then the encoder's four, finest first.

        Args:
            image: ``(B, in_channels, H, W)`` float, any size.

        Returns:
            The first has ``channels`` channels and the size of the second, a quarter of the image's
            as a rule.
        """
        maps: list[Tensor] = self.encoder(image)[-LEVELS:]
        high = _enlarge(self.aspp(maps[-1]), maps[0])
        return [self.fusion(torch.cat([high, self.shortcut(maps[0])], dim=1)), *maps]

    def head(self, features: list[Tensor]) -> Tensor:
        """Logits ``(B, num_classes, h, w)`` from the decoder's map."""
        logits: Tensor = self.classifier(features[0])
        return logits

    def with_semantic_map(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at the image's size, and the decoder's map ``(B, channels, h, w)``."""
        features = self.features(image)
        return _enlarge(self.head(features), image), features[0]

    def split(self, image: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The decoder's map, and the classifier; see `SplitNetwork`.

        Args:
            image: ``(B, in_channels, H, W)`` float, any size.
        """
        return self.features(image)[0], self.classifier

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` at the image's size, whatever it is."""
        return self.with_semantic_map(image)[0]


def _enlarge(features: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=True)

"""The DeepLab networks of CDSP and CSPNet: a multi-grid ResNet at stride 8 and one of two heads.

* ``v2``, which the authors call DeepLabV2: an ASPP (atrous spatial pyramid pooling) as narrow as
  the number of classes, dilations 12, 18, 24. The output of its last batch norm is the logit. The
  original DeepLabV2 sums four branches instead.
* ``v3plus``, DeepLabV3+ (Chen et al., ECCV 2018) with plain convolutions: an ASPP of 256 channels
  with dilations 6, 12, 18, also at stride 8, and a decoder that joins ``layer1``.

CDSP: "Scribble Hides Class", AAAI 2024, arXiv 2402.17555. CSPNet: arXiv 2503.13895.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scribbleseg.networks.aspp import ASPP, conv_norm_relu, initialise_convolutions
from scribbleseg.networks.dilated_resnet import dilated_resnet

__all__ = ["MultiGridDeepLab"]

LOW, HIGH = 256, 2048
"""Channels of ``layer1`` and ``layer4``."""


class MultiGridDeepLab(nn.Module):
    """ResNet-50 or 101 with dilations up to 16, as published; takes pictures of any size.

    Training needs two pictures a batch, see `ASPP`.

    Args:
        num_classes: Classes predicted, background included.
        in_channels: Channels of the image.
        depth: Layers of the ResNet.
        head: Head, ``v2`` (logits at stride 8) or ``v3plus`` (logits at stride 4).
        weights: Encoder weights: none, imagenet, or a file.
        stride_on: The convolution of a bottleneck that has the stride: the first 1x1 (published) or
            the 3x3 in the middle (torchvision).
    """

    semantic_channels: int = HIGH
    stride: int = 1

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        depth: Literal[50, 101] = 101,
        head: Literal["v2", "v3plus"] = "v3plus",
        weights: str = "none",
        stride_on: Literal["first", "middle"] = "first",
    ) -> None:
        super().__init__()
        self.encoder = dilated_resnet(depth, in_channels, weights=weights, stride_on=stride_on)
        self.decoder: nn.Module | None
        if head == "v2":
            self.aspp, self.decoder = ASPP(HIGH, num_classes, (0, 12, 18, 24)), None
        else:
            self.aspp = ASPP(HIGH, 256, (0, 6, 12, 18), dropout=0.5)
            self.decoder = _Decoder(256, num_classes)
            initialise_convolutions(self.decoder)
        initialise_convolutions(self.aspp)

    def features(self, image: Tensor) -> list[Tensor]:
        """The maps of ``layer1 .. layer4``.

        Args:
            image: ``(B, in_channels, H, W)`` float, any size.

        Returns:
            256 channels and ``ceil(H / 2) // 2 + 1`` rows (117 of 465 pixels, 129 of 512), then
            512, 1024 and 2048 channels and half as many rows, rounded up; columns alike.
        """
        maps: list[Tensor] = self.encoder(image)
        return maps[2:]

    def head(self, features: list[Tensor]) -> Tensor:
        """Logits ``(B, num_classes, h, w)`` at the size of ``layer4`` (v2) or ``layer1``."""
        pooled: Tensor = self.aspp(features[-1])
        return pooled if self.decoder is None else self.decoder(features[0], pooled)

    def with_semantic_map(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at the image's size, and the map of ``layer4`` ``(B, 2048, h, w)``."""
        features = self.features(image)
        return _enlarge(self.head(features), image), features[-1]

    def split(self, image: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The map of ``layer4``, and the head; see `SplitNetwork`.

        Args:
            image: ``(B, in_channels, H, W)`` float, any size.
        """
        *finer, semantic = self.features(image)
        return semantic, lambda changed: self.head([*finer, changed])

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` at the image's size, whatever it is."""
        return self.with_semantic_map(image)[0]


class _Decoder(nn.Module):
    """The ASPP's map enlarged and joined with the map of ``layer1``.

    Args:
        channels: Channels of the ASPP's map, and of the decoder.
        num_classes: Classes predicted.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.reduction = conv_norm_relu(LOW, 48, 1)
        self.fusion = nn.Sequential(
            conv_norm_relu(48 + channels, channels, 3), conv_norm_relu(channels, channels, 3)
        )
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` at the size of ``low`` ``(B, 256, H, W)``."""
        joined = torch.cat([self.reduction(low), _enlarge(high, low)], dim=1)
        logits: Tensor = self.classifier(self.fusion(joined))
        return logits


def _enlarge(features: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=True)

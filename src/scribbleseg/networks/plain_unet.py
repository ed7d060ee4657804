"""The plain 2-D U-Net of the cardiac (ACDC) literature, with configurable widths.

Two 3x3 convolutions + batch norm + leaky ReLU a level, max pooling down, transposed convolutions
up. With widths ``8 .. 128`` and no dropout it is the small network of our CPU-size ACDC setting.
Two published networks differ in details, which are arguments:

* WSL4MIS (Luo et al., MICCAI 2022, arXiv 2203.02106): widths ``16, 32, 64, 128, 256``, dropout
  ``0.05, 0.1, 0.2, 0.3, 0.5``, ``upsampling="bilinear"`` (its code asks for transposed convolutions
  but does not pass that on) and ``conv_bias=True``.
* CSPNet's U-Net for ACDC: widths ``64 .. 1024``, ``activation="relu"``, ``classifier_kernel=1``.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from scribbleseg.networks.padding import check_divisible, crop_like, pad_to_multiple
from scribbleseg.networks.semantic_map import cells_of_image

__all__ = ["PlainUNet"]


class PlainUNet(nn.Module):
    """Encoder-decoder with skip connections, trained from scratch.

    Args:
        num_classes: Classes predicted, background included.
        in_channels: Channels of the image, 1 for grey.
        widths: Channels of each level, finest first; ``len(widths) - 1`` poolings.
        dropout: Dropout rate inside each encoder level, finest first; empty for none.
        upsampling: 2x2 transposed convolutions, or 1x1 convolutions and bilinear interpolation
            with aligned corners.
        activation: Leaky ReLU (slope 0.01) or ReLU.
        conv_bias: Whether the 3x3 convolutions of the levels have a bias, which the batch norm
            behind them cancels.
        classifier_kernel: Pixels a side of the last convolution.

    >>> net = PlainUNet(4, 1, widths=(2, 4))
    >>> [tuple(f.shape) for f in net.features(torch.zeros(1, 1, 6, 8))]
    [(1, 2, 6, 8), (1, 4, 3, 4)]
    >>> net(torch.zeros(1, 1, 5, 7)).shape
    torch.Size([1, 4, 5, 7])
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 1,
        *,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        dropout: Sequence[float] = (),
        upsampling: Literal["transposed", "bilinear"] = "transposed",
        activation: Literal["leaky_relu", "relu"] = "leaky_relu",
        conv_bias: bool = False,
        classifier_kernel: Literal[1, 3] = 3,
    ) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(
                f"widths has {len(widths)} level(s): {list(widths)}; a U-Net needs two or more"
            )
        if dropout and len(dropout) != len(widths):
            raise ValueError(
                f"dropout has {len(dropout)} rates for {len(widths)} levels; give one a level or "
                "none"
            )
        rates = tuple(dropout) or (0.0,) * len(widths)
        fine_to_coarse = list(itertools.pairwise(widths))

        self.stride = 2 ** (len(widths) - 1)
        self.semantic_level = min(2, len(widths) - 1)
        self.semantic_channels = widths[self.semantic_level]
        self.encoder = nn.ModuleList(
            _double_conv(width_in, width, rate, conv_bias, activation)
            for width_in, width, rate in zip(
                (in_channels, *widths[:-1]), widths, rates, strict=True
            )
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(
            _upsampling(coarse, fine, upsampling) for fine, coarse in fine_to_coarse
        )
        self.decoder = nn.ModuleList(
            _double_conv(2 * fine, fine, 0.0, conv_bias, activation) for fine, _ in fine_to_coarse
        )
        self.classifier = nn.Conv2d(
            widths[0], num_classes, classifier_kernel, padding=classifier_kernel // 2
        )

    def features(self, image: Tensor) -> list[Tensor]:
        """The decoder's feature maps, finest first.

        Args:
            image: ``(B, in_channels, H, W)`` float; H and W multiples of ``self.stride``.

        Returns:
            Map ``i`` is ``(B, widths[i], H / 2**i, W / 2**i)``; the first is what `head`
            classifies, the last is the encoder's deepest map.
        """
        return self._decoder_maps(self.encode(image))

    def head(self, features: list[Tensor]) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` from the finest of the feature maps."""
        logits: Tensor = self.classifier(features[0])
        return logits

    def encode(self, image: Tensor) -> list[Tensor]:
        """The encoder's feature maps, finest first.

        Args:
            image: ``(B, in_channels, H, W)`` float; H and W multiples of ``self.stride``.
        """
        check_divisible(image, self.stride)
        maps = [self.encoder[0](image)]
        for level in self.encoder[1:]:
            maps.append(level(self.pool(maps[-1])))
        return maps

    def decode(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` from the encoder's maps; see `DecodingNetwork`."""
        return self.head(self._decoder_maps(maps))

    def with_semantic_map(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at the image's size, and the decoder's map at a quarter of it.

        Networks of two levels have no such map; theirs is the deepest one.
        """
        padded = pad_to_multiple(image, self.stride)
        features = self.features(padded)
        semantic = cells_of_image(features[self.semantic_level], padded, image)
        return crop_like(self.head(features), image), semantic

    def split(self, image: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The semantic map, and the finer levels with the classifier; see `SplitNetwork`.

        Args:
            image: ``(B, in_channels, H, W)`` float; H and W multiples of ``self.stride``.
        """
        skips = self.encode(image)
        semantic = skips[-1]
        for level in reversed(range(self.semantic_level, len(self.up))):
            semantic = self._decoded(level, semantic, skips)

        def rest(changed: Tensor) -> Tensor:
            for level in reversed(range(self.semantic_level)):
                changed = self._decoded(level, changed, skips)
            logits: Tensor = self.classifier(changed)
            return logits

        return semantic, rest

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` at the image's size, whatever it is."""
        return crop_like(self.head(self.features(pad_to_multiple(image, self.stride))), image)

    def _decoder_maps(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """The decoder's maps, finest first."""
        maps = [skips[-1]]
        for level in reversed(range(len(self.up))):
            maps.append(self._decoded(level, maps[-1], skips))
        return maps[::-1]

    def _decoded(self, level: int, coarser: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """The decoder's map of a level, from the one below it."""
        joined = torch.cat([skips[level], self.up[level](coarser)], dim=1)
        decoded: Tensor = self.decoder[level](joined)
        return decoded


def _double_conv(
    channels_in: int, channels: int, dropout: float, bias: bool, activation: str
) -> nn.Sequential:
    rectifier = nn.ReLU if activation == "relu" else nn.LeakyReLU
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1, bias=bias),
        nn.BatchNorm2d(channels),
        rectifier(inplace=True),
        nn.Dropout(dropout),
        nn.Conv2d(channels, channels, 3, padding=1, bias=bias),
        nn.BatchNorm2d(channels),
        rectifier(inplace=True),
    )


def _upsampling(coarse: int, fine: int, how: str) -> nn.Module:
    if how == "transposed":
        return nn.ConvTranspose2d(coarse, fine, 2, stride=2)
    return nn.Sequential(nn.Conv2d(coarse, fine, 1), nn.UpsamplingBilinear2d(scale_factor=2))

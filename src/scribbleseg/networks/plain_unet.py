"""The plain 2-D U-Net of the cardiac (ACDC) literature, with configurable widths.

Two 3x3 convolutions + batch norm + leaky ReLU a level, max pooling down, transposed convolutions
up. With widths ``16, 32, 64, 128, 256`` and dropout ``0.05, 0.1, 0.2, 0.3, 0.5`` it is the network
of WSL4MIS (Luo et al., MICCAI 2022, arXiv 2203.02106); with ``8 .. 128`` and no dropout it is the
small network of our CPU-size ACDC setting.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scribbleseg.networks.padding import check_divisible, crop_like, pad_to_multiple

__all__ = ["PlainUNet"]


class PlainUNet(nn.Module):
    """Encoder-decoder with skip connections, trained from scratch.

    Args:
        num_classes: Classes predicted, background included.
        in_channels: Channels of the image, 1 for grey.
        widths: Channels of each level, finest first; ``len(widths) - 1`` poolings.
        dropout: Dropout rate inside each encoder level, finest first; empty for none.

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
        self.encoder = nn.ModuleList(
            _double_conv(width_in, width, rate)
            for width_in, width, rate in zip(
                (in_channels, *widths[:-1]), widths, rates, strict=True
            )
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in fine_to_coarse
        )
        self.decoder = nn.ModuleList(
            _double_conv(2 * fine, fine, 0.0) for fine, _ in fine_to_coarse
        )
        self.classifier = nn.Conv2d(widths[0], num_classes, 3, padding=1)

    def features(self, image: Tensor) -> list[Tensor]:
        """The decoder's feature maps, finest first.

        Args:
            image: ``(B, in_channels, H, W)`` float; H and W multiples of ``self.stride``.

        Returns:
            Map ``i`` is ``(B, widths[i], H / 2**i, W / 2**i)``; the first is what `head`
            classifies, the last is the encoder's deepest map.
        """
        check_divisible(image, self.stride)
        skips = [self.encoder[0](image)]
        for level in self.encoder[1:]:
            skips.append(level(self.pool(skips[-1])))
        maps = [skips.pop()]
        for up, level in zip(reversed(self.up), reversed(self.decoder), strict=True):
            maps.append(level(torch.cat([skips.pop(), up(maps[-1])], dim=1)))
        return maps[::-1]

    def head(self, features: list[Tensor]) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` from the finest of the feature maps."""
        logits: Tensor = self.classifier(features[0])
        return logits

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` at the image's size, whatever it is."""
        return crop_like(self.head(self.features(pad_to_multiple(image, self.stride))), image)


def _double_conv(channels_in: int, channels: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.LeakyReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.LeakyReLU(inplace=True),
    )

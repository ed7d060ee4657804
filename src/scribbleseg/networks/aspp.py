"""Atrous spatial pyramid pooling (DeepLabV3, arXiv 1706.05587): one map at several dilations."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ASPP", "conv_norm_relu", "initialise_convolutions"]


class ASPP(nn.Module):
    """Convolutions of one map with several dilations and its mean, fused by a 1x1 convolution.

    A batch norm follows every convolution, a ReLU every one but the last. Behind the mean the batch
    norm sees one value a picture: with it, training needs two pictures a batch.

    Args:
        in_channels: Channels of the map.
        channels: Channels of every branch and of the result.
        rates: Dilations of the 3x3 convolutions; 0 stands for a 1x1 convolution.
        pooled: Whether the mean over the picture is a branch; without it the last convolution has
            a bias.
        dropout: Rate of a dropout behind a last ReLU; None for the output of the last batch norm.

    >>> aspp = ASPP(8, 3, (0, 12, 18, 24)).eval()
    >>> aspp(torch.zeros(1, 8, 5, 7)).shape
    torch.Size([1, 3, 5, 7])
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        rates: Sequence[int],
        *,
        pooled: bool = True,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            conv_norm_relu(in_channels, channels, 3 if rate else 1, dilation=max(rate, 1))
            for rate in rates
        )
        self.pooled = conv_norm_relu(in_channels, channels, 1) if pooled else None
        self.fusion = nn.Sequential(
            nn.Conv2d((len(rates) + pooled) * channels, channels, 1, bias=not pooled),
            nn.BatchNorm2d(channels),
        )
        if dropout is not None:
            self.fusion.extend([nn.ReLU(inplace=True), nn.Dropout(dropout)])

    def forward(self, features: Tensor) -> Tensor:
        """The map ``(B, channels, H, W)``; without ``dropout`` it may be negative.

        Args:
            features: ``(B, in_channels, H, W)`` float.
        """
        maps = [branch(features) for branch in self.branches]
        if self.pooled is not None:
            mean = self.pooled(features.mean(dim=(-2, -1), keepdim=True))
            maps.append(mean.expand_as(maps[0]))
        fused: Tensor = self.fusion(torch.cat(maps, dim=1))
        return fused


def conv_norm_relu(
    in_channels: int, channels: int, kernel: int, *, dilation: int = 1
) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU; the map keeps its size.

    Args:
        in_channels: Channels of the map.
        channels: Channels of the result.
        kernel: Side of the convolution in pixels, odd.
        dilation: Pixels from one weight to the next.
    """
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            channels,
            kernel,
            padding=kernel // 2 * dilation,
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def initialise_convolutions(module: nn.Module) -> None:
    """Weights of every convolution from N(0, 2 / (kernel area * output channels)).

    Biases keep torch's uniform start, batch norms their 1 and 0. This is how the heads of CDSP
    start.

    Args:
        module: Changed in place.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

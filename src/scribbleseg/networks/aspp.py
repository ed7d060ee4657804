"""Atrous spatial pyramid pooling (DeepLabV3, arXiv 1706.05587): one map at several dilations."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ASPP", "conv_norm_relu", "initialise_convolutions"]


class ASPP(nn.Module):
    """A 1x1 convolution, dilated 3x3 convolutions and global pooling, fused by a 1x1 convolution.

    A batch norm follows every convolution, a ReLU every one but the last. Behind the global
    pooling the batch norm sees one value a picture: training needs two pictures a batch.

    Args:
        in_channels: Channels of the map.
        channels: Channels of every branch and of the result.
        rates: Dilations of the 3x3 convolutions.

    >>> aspp = ASPP(8, 3, (12, 18, 24)).eval()
    >>> aspp(torch.zeros(1, 8, 5, 7)).shape
    torch.Size([1, 3, 5, 7])
    """

    def __init__(self, in_channels: int, channels: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                conv_norm_relu(in_channels, channels, 1),
                *(conv_norm_relu(in_channels, channels, 3, dilation=rate) for rate in rates),
            ]
        )
        self.pooled = conv_norm_relu(in_channels, channels, 1)
        self.fusion = nn.Sequential(
            nn.Conv2d((len(rates) + 2) * channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """The output ``(B, channels, H, W)`` of the last batch norm, which may be negative.

        Args:
            features: ``(B, in_channels, H, W)`` float.
        """
        pooled = self.pooled(features.mean(dim=(-2, -1), keepdim=True))
        maps = [branch(features) for branch in self.branches]
        fused: Tensor = self.fusion(torch.cat([*maps, pooled.expand_as(maps[0])], dim=1))
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

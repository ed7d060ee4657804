"""Pixel-adaptive refinement: class maps move to where the picture's edges are.

L. Ru et al., Token Contrast for Weakly-Supervised Semantic Segmentation, CVPR 2023 (after the
local mean field of N. Araslanov and S. Roth, CVPR 2020).
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["DILATIONS", "par"]

DILATIONS = (1, 2, 4, 8, 12, 24)
"""Distances of the neighbours in pixels."""

DIRECTIONS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
SHARPNESS, POSITION_WEIGHT, EPSILON = 0.3, 0.01, 1e-8


def par(
    images: Tensor, maps: Tensor, *, dilations: Sequence[int] = DILATIONS, iterations: int = 10
) -> Tensor:
    """Class maps, refined by what each pixel's neighbours of similar colour say.

    A pixel's new value is the mean over its neighbours (8 directions at each dilation, the border
    repeated), weighted by ``softmax_j -mean_c (|I_i - I_j| / (0.3 sigma_i))^2`` and, by 0.01, by
    the same of the distance; sigma is the unbiased standard deviation of the neighbours' values.
    The weights of a pixel add up to 1.01, which changes no decision.

    Args:
        images: ``(B, C, H, W)`` float, 0..1.
        maps: ``(B, K, h, w)`` float; resized to the picture first, corner centres aligned.
        dilations: Distances of the neighbours, pixels.
        iterations: How often it is done.

    Returns:
        ``(B, K, H, W)``.

    >>> maps = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    >>> par(torch.zeros(1, 1, 1, 4), maps, dilations=[1], iterations=1).round(decimals=2)
    tensor([[[[1.0100, 0.6300, 0.3800, 0.0000]]]])
    """
    weights = _affinity(images, dilations)
    size = images.shape[-2:]
    if maps.shape[-2:] != size:
        maps = F.interpolate(maps, size, mode="bilinear", align_corners=True)
    # Weights (B, 1, H, W) apply to all classes alike; with few classes the loop over the
    # neighbours is bound by memory, so that everything stays in place.
    for _ in range(iterations):
        refined = torch.zeros_like(maps)
        for weight, neighbour in zip(weights, _neighbours(maps, dilations), strict=True):
            refined.addcmul_(weight, neighbour)
        maps = refined
    return maps


def _affinity(images: Tensor, dilations: Sequence[int]) -> list[Tensor]:
    """Weight ``(B, 1, H, W)`` of each neighbour."""
    count = len(DIRECTIONS) * len(dilations)
    # Two passes over the slices instead of a (B, C, 48, H, W) stack.
    mean = torch.zeros_like(images)
    for neighbour in _neighbours(images, dilations):
        mean += neighbour
    mean /= count
    variance = torch.zeros_like(images)
    for neighbour in _neighbours(images, dilations):
        variance.addcmul_(neighbour - mean, neighbour - mean)
    scale = ((variance / (count - 1)).sqrt() + EPSILON) * SHARPNESS
    color = torch.stack(
        [
            -((images - neighbour) / scale).square().mean(dim=1)
            for neighbour in _neighbours(images, dilations)
        ]
    )
    distance = torch.tensor(
        [dilation * math.hypot(*direction) for dilation in dilations for direction in DIRECTIONS],
        dtype=images.dtype,
        device=images.device,
    )
    position = -(distance / ((distance.std() + EPSILON) * SHARPNESS)).square()
    weights = color.softmax(dim=0) + POSITION_WEIGHT * position.softmax(dim=0)[:, None, None, None]
    return list(weights[:, :, None])


def _neighbours(values: Tensor, dilations: Sequence[int]) -> Iterator[Tensor]:
    """The value of each neighbour of every pixel: slices of one padded copy."""
    height, width = values.shape[-2:]
    border = max(dilations)
    padded = F.pad(values, (border,) * 4, mode="replicate")
    for dilation in dilations:
        for down, right in DIRECTIONS:
            top, left = border + down * dilation, border + right * dilation
            yield padded[..., top : top + height, left : left + width]

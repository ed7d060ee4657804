"""Local aggregation of BLPSeg: logits averaged over pixels that look alike and lie near.

Wang et al., "BLPSeg: Balance the Label Preference in Scribble-Supervised Semantic Segmentation",
IEEE TIP 2023, local aggregation module (LAM). With ``S`` the softmax over all sources ``a`` of the
product of embeddings, and ``K`` a Gaussian of the distance,

    out_b = sum_a S_ab K_ab z_a / (sum_a S_ab K_ab + 1e-7)

Every target ``b`` sees the whole map. A map of 96 x 96 has 85 million pairs, and the formula as it
stands keeps several matrices of that size. Here blocks of pairs are computed one after the other,
and once more in the backward pass, so that memory grows with the number of cells and not with its
square. The product of embeddings is symmetric: a block serves both directions, which makes up for
computing it twice.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from scribbleseg.networks.aspp import initialise_convolutions
from scribbleseg.networks.padding import pad_to_multiple

__all__ = ["LocalAggregation", "PatchEmbedding", "local_aggregation"]

EPSILON = 1e-7
"""Of the formula. Where all that looks alike lies far away, the result shrinks towards 0."""

PAIRS = 1 << 19
"""Pairs of cells that are held at a time on the host: what fits into its cache."""

PAIRS_ON_DEVICE = 1 << 24
"""The same on an accelerator, which wants larger blocks."""


def local_aggregation(logits: Tensor, features: Tensor, *, sigma: float = 6.0) -> Tensor:
    """The mean of all logits of a map, weighted by likeness and nearness; gradients to both.

    Computed in float32 at least, also under automatic mixed precision.

    Args:
        logits: ``(B, K, h, w)`` float.
        features: ``(B, P, h', w')`` float, the embeddings; resized to ``h x w`` (bilinear) if they
            are of another size.
        sigma: Standard deviation of the Gaussian, cells of the map.

    Returns:
        ``(B, K, h, w)``.

    >>> logits = torch.tensor([[[[1.0, 3.0]]]])
    >>> local_aggregation(logits, torch.zeros(1, 1, 1, 2), sigma=1.0)
    tensor([[[[1.7551, 2.2449]]]])
    """
    dtype = torch.promote_types(torch.promote_types(logits.dtype, features.dtype), torch.float32)
    size = logits.shape[-2:]
    with torch.autocast(logits.device.type, enabled=False):
        guide = F.interpolate(features.to(dtype), size=size, mode="bilinear", align_corners=False)
        # (B, cells, channels), row by row
        values = logits.to(dtype).flatten(2).mT.contiguous()
        guide = guide.flatten(2).mT.contiguous()
        near = tuple(_gaussian(side, sigma, values) for side in size)
        if any(isinstance(side, torch.SymInt) for side in size):
            result = _whole(values, guide, *near)
        else:
            result = _Aggregate.apply(values, guide, *near)
    aggregated: Tensor = result.mT.reshape(logits.shape)
    return aggregated


class PatchEmbedding(nn.Module):
    """What a square patch of the image looks like: one vector a patch.

    Args:
        in_channels: Channels of the image.
        channels: Length P of a vector.
        patch: Side of a patch, pixels.
    """

    def __init__(self, in_channels: int, channels: int, patch: int = 4) -> None:
        super().__init__()
        self.patch = patch
        self.projection = nn.Conv2d(in_channels, channels, patch, stride=patch)
        self.norm = nn.LayerNorm(channels)
        self.mixing = nn.Conv2d(channels, channels, 1)
        initialise_convolutions(self)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, P, ceil(H / patch), ceil(W / patch))``.

        Args:
            image: ``(B, in_channels, H, W)`` float; padded with zeros at the right and bottom.
        """
        vectors = self.projection(pad_to_multiple(image, self.patch))
        normalised = self.norm(vectors.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        embedding: Tensor = self.mixing(normalised)
        return embedding


class LocalAggregation(nn.Module):
    """`local_aggregation` of a network's logits, guided by an embedding of the image.

    The embedding learns through the aggregation only.

    Args:
        in_channels: Channels of the image.
        channels: Length P of an embedding.
        sigma: Standard deviation of the Gaussian, cells of the map.
        patch: Pixels a side of a cell.
    """

    def __init__(
        self, in_channels: int, channels: int = 256, *, sigma: float = 6.0, patch: int = 4
    ) -> None:
        super().__init__()
        if sigma <= 0 or patch < 1 or channels < 1:
            raise ValueError(
                f"sigma {sigma}, patch {patch} and channels {channels} of the aggregation must be "
                "positive"
            )
        self.sigma = sigma
        self.embedding = PatchEmbedding(in_channels, channels, patch)

    def forward(self, logits: Tensor, image: Tensor) -> Tensor:
        """Aggregated logits ``(B, K, h, w)``.

        Args:
            logits: ``(B, K, h, w)`` float; ``h`` and ``w`` are those of the image over ``patch``,
                rounded up.
            image: ``(B, in_channels, H, W)`` float.
        """
        # Products of embeddings reach hundreds: in half precision they would be off by whole units.
        with torch.autocast(image.device.type, enabled=False):
            embedding = self.embedding(image.to(self.embedding.norm.weight.dtype))
        return local_aggregation(logits, embedding, sigma=self.sigma)


def _gaussian(cells: int, sigma: float, like: Tensor) -> Tensor:
    """``(cells, cells)``: the Gaussian along one axis; over both it is the product of the two."""
    position = torch.arange(cells, dtype=like.dtype, device=like.device)
    exponent = (position[:, None] - position).square() / (-2 * sigma**2)
    return exponent.clamp_(min=_smallest_exponent(like.dtype)).exp_()


def _smallest_exponent(dtype: torch.dtype) -> float:
    """Where exponents are cut: numbers below the normal ones take a processor ten times as long.

    What is cut has no weight: in float32 1e-19, beside weights whose sum is 1.
    """
    return math.log(torch.finfo(dtype).tiny) / 2


def _whole(values: Tensor, guide: Tensor, near_rows: Tensor, near_columns: Tensor) -> Tensor:
    """The formula as it stands: a graph that is recorded for any size cannot loop over blocks."""
    near = near_rows[:, None, :, None] * near_columns[:, None, :]
    weight = (guide @ guide.mT).softmax(dim=-1) * near.reshape(guide.shape[1], guide.shape[1])
    return weight @ values / (weight.sum(dim=-1, keepdim=True) + EPSILON)


class _Block(NamedTuple):
    """Products of embeddings, and Gaussians, of some targets (first) and some sources (last)."""

    targets: slice
    sources: slice
    product: Tensor
    near: Tensor

    def turned(self) -> "_Block":
        """The same with targets and sources exchanged."""
        return _Block(self.sources, self.targets, self.product.mT, self.near.mT)


def _blocks(guide: Tensor, near_rows: Tensor, near_columns: Tensor) -> Iterator[_Block]:
    """Every pair of cells once in one of the two directions; blocks of whole rows of the map."""
    height, width = len(near_rows), len(near_columns)
    pairs = PAIRS if guide.device.type == "cpu" else PAIRS_ON_DEVICE
    step = max(int((pairs / max(len(guide), 1)) ** 0.5) // max(width, 1), 1)
    # Further away than that is nothing: the cut likeness times such a nearness, and a gradient,
    # would not be normal numbers either.
    negligible = math.exp(0.85 * _smallest_exponent(guide.dtype))
    strips = [slice(first, min(first + step, height)) for first in range(0, height, step)]
    for index, targets in enumerate(strips):
        for sources in strips[index:]:
            near = near_rows[targets, None, sources, None] * near_columns[:, None, :]
            rows, columns = (
                slice(strip.start * width, strip.stop * width) for strip in (targets, sources)
            )
            near = near.reshape(rows.stop - rows.start, columns.stop - columns.start)
            near = F.threshold(near, negligible, 0, inplace=True)
            yield _Block(rows, columns, guide[:, rows] @ guide[:, columns].mT, near)


class _Aggregate(torch.autograd.Function):
    """``(B, N, K)`` values and ``(B, N, P)`` embeddings to ``(B, N, K)``."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, guide: Tensor, near_rows: Tensor, near_columns: Tensor
    ) -> Tensor:
        count = values.shape[-1]
        extended = _with_ones(values)
        # Of each target so far: the largest product, and relative to its exponential the sum of
        # all exponentials and the sums of what they and the Gaussian weigh (of ones: the last).
        smallest = _smallest_exponent(values.dtype)
        largest = torch.full_like(values[..., :1], -torch.inf)
        total, weighted = torch.zeros_like(largest), torch.zeros_like(extended)

        for block in _both_ways(_blocks(guide, near_rows, near_columns)):
            targets = block.targets
            peak = torch.maximum(largest[:, targets], block.product.amax(dim=-1, keepdim=True))
            before = (largest[:, targets] - peak).exp_()
            largest[:, targets] = peak
            weight = (block.product - peak).clamp_(min=smallest).exp_()
            total[:, targets] = total[:, targets] * before + weight.sum(dim=-1, keepdim=True)
            seen = weight.mul_(block.near) @ extended[:, block.sources]
            weighted[:, targets] = weighted[:, targets] * before + seen
        weighted /= total
        mass = weighted[..., count:] + EPSILON
        result = weighted[..., :count] / mass
        ctx.save_for_backward(
            values, guide, near_rows, near_columns, result, mass, largest + total.log()
        )
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, guide, near_rows, near_columns, result, mass, normaliser = ctx.saved_tensors
        # With g = dL/dout_b / mass_b and x_ab = K_ab (z_a . g_b - out_b . g_b), the derivative by a
        # product of embeddings is S_ab (x_ab - sum_a S_ab x_ab). The sum could be had without a
        # look at all pairs, but where one source has nearly all the weight, only the sum of the
        # very same rounded numbers cancels their rounding.
        of_result = gradients[0] / mass
        # Gradients of a mean are small: products of them with small weights would leave the normal
        # numbers, too (see _smallest_exponent).
        scale = of_result.abs().amax().clamp_min(torch.finfo(of_result.dtype).tiny)
        of_result = of_result / scale
        common = (result * of_result).sum(dim=-1, keepdim=True)
        extended, extended_gradient = _with_ones(values), torch.cat([of_result, -common], dim=-1)
        of_values, of_guide = torch.zeros_like(values), torch.zeros_like(guide)
        expected, smallest = torch.zeros_like(common), _smallest_exponent(values.dtype)

        def softmax(block: _Block) -> Tensor:
            exponent: Tensor = block.product - normaliser[:, block.targets]
            return exponent.clamp_(min=smallest).exp_()

        def change(block: _Block, weight: Tensor) -> Tensor:
            """``S_ab x_ab``, from ``S_ab K_ab``, whose place it takes."""
            targets, sources = block.targets, block.sources
            return weight.mul_(extended_gradient[:, targets] @ extended[:, sources].mT)

        def of_product(block: _Block) -> Tensor:
            probability = softmax(block)
            changed = change(block, probability * block.near)
            return changed.sub_(probability.mul_(expected[:, block.targets]))

        with torch.autocast(values.device.type, enabled=False):
            for block in _both_ways(_blocks(guide, near_rows, near_columns)):
                weight = softmax(block).mul_(block.near)
                of_values[:, block.sources] += weight.mT @ of_result[:, block.targets]
                expected[:, block.targets] += change(block, weight).sum(dim=-1, keepdim=True)
            for block in _blocks(guide, near_rows, near_columns):
                gradient = of_product(block)
                if block.sources != block.targets:
                    gradient += of_product(block.turned()).mT
                of_guide[:, block.targets] += gradient @ guide[:, block.sources]
                of_guide[:, block.sources] += gradient.mT @ guide[:, block.targets]
        return of_values.mul_(scale), of_guide.mul_(scale), None, None


def _both_ways(blocks: Iterator[_Block]) -> Iterator[_Block]:
    """Every block, and its turned form unless it holds the same pairs."""
    for block in blocks:
        yield block
        if block.sources != block.targets:
            yield block.turned()


def _with_ones(values: Tensor) -> Tensor:
    """``(B, N, K + 1)``: a last column of ones."""
    return torch.cat([values, torch.ones_like(values[..., :1])], dim=-1)

"""Gated CRF loss: neighbours of like colour shall have like classes.

Obukhov et al., "Gated CRF Loss for Weakly Supervised Semantic Image Segmentation", 2019,
arXiv 1906.04651: the energy of a dense CRF with Potts compatibility, relaxed to probabilities, its
Gaussian kernels cut off at a window.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from scribbleseg.losses.precision import at_least_float32

__all__ = ["PairKernel", "gated_crf_loss"]


@dataclass(frozen=True)
class PairKernel:
    """How much two pixels belong together: a Gaussian of their distance and of their colours.

    Args:
        weight: Factor of the Gaussian.
        sigma_xy: Standard deviation of the position, pixels of the prediction; None: any position.
        sigma_rgb: Standard deviation of the colour, in units of the image; squared differences are
            summed over the channels. None: any colour.
    """

    weight: float = 1.0
    sigma_xy: float | None = 6.0
    sigma_rgb: float | None = 0.1


def gated_crf_loss(
    logits: Tensor,
    image: Tensor,
    *,
    source: Tensor | None = None,
    destination: Tensor | None = None,
    kernels: Sequence[PairKernel] = (PairKernel(),),
    radius: int = 5,
    zero_padding: bool = False,
) -> Tensor:
    """Energy of a CRF in which every pixel sees the window around it.

    ``1/D sum_i sum_j s_j d_i k_ij (1 - sum_c p_ic p_jc)`` over pixels i and their neighbours j.
    Kernels and gates are constants to the gradient.

    Args:
        logits: ``(B, K, h, w)`` float, unnormalised.
        image: ``(B, C, H, W)`` float in ``[0, 1]``, to which the standard deviations belong; ``h``
            and ``w`` divide its sides, and cells of several pixels are their mean.
        source: ``(B, H, W)`` bool, the pixels s that others may listen to; None for all. A cell
            counts if all of its pixels do.
        destination: ``(B, H, W)`` bool, the pixels d that listen; None for all.
        kernels: Their sum is k.
        radius: Half the side of the window, pixels of the prediction.
        zero_padding: Add the pairs that reach outside the image, whose other end is black and at
            the origin: an accident of the published code, a constant to the gradient.

    Returns:
        Scalar, divided by D, the number of destination pixels if these are given, else of source
        pixels, else of all; 0 with a gradient of 0 if there are none. Its range is of the order of
        the window's area.

    Raises:
        ValueError: The sides of the logits do not divide those of the image by one whole number.

    >>> gated_crf_loss(torch.tensor([[[[9.0, -9.0]], [[-9.0, 9.0]]]]), torch.zeros(1, 1, 1, 2))
    tensor(0.9862)
    """
    prob = torch.softmax(at_least_float32(logits), dim=1)
    size = (prob.shape[-2], prob.shape[-1])
    scales = {divmod(whole, cells) for whole, cells in zip(image.shape[-2:], size, strict=True)}
    if len(scales) > 1 or any(rest for _, rest in scales):
        raise ValueError(
            f"logits of {size[1]}x{size[0]} do not divide an image of "
            f"{image.shape[-1]}x{image.shape[-2]} by one whole number; choose such sides"
        )
    picture = F.adaptive_avg_pool2d(at_least_float32(image.detach()).to(prob.dtype), size)
    listened, listening = (_on_cells(gate, prob) for gate in (source, destination))
    gate = listened if listening is None else listening
    count = prob.new_tensor(prob[:, 0].numel()) if gate is None else gate.sum()
    energy: Tensor = _PairEnergy.apply(prob, picture, listened, listening, kernels, radius)
    if zero_padding and listened is None:  # a source gate is 0 there
        energy = energy + _pairs_with_padding(picture, listening, kernels, radius)
    return energy / count.clamp_min(1)


class _PairEnergy(torch.autograd.Function):
    """``sum_ij G_ij (1 - p_i . p_j)``, in one visit of each unordered pair.

    With ``S = G + G'`` and the message ``M = S p`` the gradient is ``-M``. The classes of ``p`` sum
    to 1, so those of ``M`` sum to the rows of ``S``, and the energy is ``1/2 sum (1 - p) M``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        prob: Tensor,
        picture: Tensor,
        source: Tensor | None,
        destination: Tensor | None,
        kernels: Sequence[PairKernel],
        radius: int,
    ) -> Tensor:
        row = prob.shape[-1] + radius
        p, color = (_in_rows(map_, row) for map_ in (prob, picture))
        heard, hearing = (
            None if gate is None else _in_rows(gate, row) for gate in (source, destination)
        )
        message = torch.zeros_like(p)
        for down, right in _half_window(radius):
            step = down * row + right
            if step >= p.shape[-1]:
                break
            here, there = slice(0, -step), slice(step, None)
            difference = (color[..., here] - color[..., there]).square_().sum(dim=1, keepdim=True)
            pair = _kernel(difference, down**2 + right**2, kernels)
            pair = _gated(pair, heard, hearing, here, there)
            message[..., here].addcmul_(pair, p[..., there])
            message[..., there].addcmul_(pair, p[..., here])
        message = message.view(*prob.shape[:3], row)[..., : prob.shape[-1]]
        ctx.save_for_backward(message)
        energy: Tensor = 0.5 * ((1 - prob) * message).sum()
        return energy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (message,) = ctx.saved_tensors
        return -gradient * message, None, None, None, None, None


def _in_rows(map_: Tensor, row: int) -> Tensor:
    """``(B, C, h, w)`` as ``(B, C, h row)``: a step to a neighbour is one number.

    Rows end in zeros. A step that leaves the image on either side ends there, where the probability
    is 0, so that it adds nothing.
    """
    return F.pad(map_, (0, row - map_.shape[-1])).flatten(2).contiguous()


def _half_window(radius: int) -> list[tuple[int, int]]:
    """Steps (down, right) to the half of the window that follows in reading order."""
    side = range(-radius, radius + 1)
    return [(0, right) for right in side if right > 0] + [
        (down, right) for down in side if down > 0 for right in side
    ]


def _kernel(difference: Tensor, distance: int, kernels: Sequence[PairKernel]) -> Tensor:
    """The kernel of pairs, from squared differences of colour (a tensor) and of place."""
    total = None
    for kernel in kernels:
        weight = kernel.weight
        if kernel.sigma_xy is not None:
            weight *= math.exp(-0.5 * distance / kernel.sigma_xy**2)
        if kernel.sigma_rgb is None:
            term = torch.full_like(difference, weight)
        else:
            exponent = difference * (-0.5 / kernel.sigma_rgb**2)
            # Below 1e-26 nothing changes, but numbers below 1e-38 make a step ten times slower.
            term = exponent.clamp_min_(-60).exp_().mul_(weight)
        total = term if total is None else total + term
    assert total is not None
    return total


def _gated(
    pair: Tensor, source: Tensor | None, destination: Tensor | None, here: slice, there: slice
) -> Tensor:
    """``G + G'`` of pairs with the kernel ``pair``, which is overwritten."""
    if source is not None and destination is not None:
        listens = source[..., there] * destination[..., here]
        return pair.mul_(listens + source[..., here] * destination[..., there])
    gate = destination if source is None else source
    return pair.mul_(2 if gate is None else gate[..., here] + gate[..., there])


def _on_cells(gate: Tensor | None, prob: Tensor) -> Tensor | None:
    """1 where all pixels of a cell are in the gate, else 0; ``(B, 1, h, w)``."""
    if gate is None:
        return None
    share = F.adaptive_avg_pool2d(
        gate.unsqueeze(1).to(prob.dtype), (prob.shape[-2], prob.shape[-1])
    )
    return (share == 1).to(prob.dtype)


def _pairs_with_padding(
    picture: Tensor, destination: Tensor | None, kernels: Sequence[PairKernel], radius: int
) -> Tensor:
    """Sum of the kernels of all pairs whose other end lies outside the image."""
    height, width = picture.shape[-2:]
    y, x = (
        torch.arange(side, dtype=picture.dtype, device=picture.device) for side in (height, width)
    )
    position = (y**2)[:, None] + x**2
    inside_y, inside_x = (
        (at + radius).clamp_max(side - 1) - (at - radius).clamp_min(0) + 1
        for at, side in ((y, height), (x, width))
    )
    outside = (2 * radius + 1) ** 2 - inside_y[:, None] * inside_x
    color = picture.square().sum(dim=1, keepdim=True)
    total = torch.zeros_like(color)
    for kernel in kernels:
        exponent = torch.zeros_like(color)
        if kernel.sigma_xy is not None:
            exponent += position / kernel.sigma_xy**2
        if kernel.sigma_rgb is not None:
            exponent += color / kernel.sigma_rgb**2
        total += kernel.weight * torch.exp(-0.5 * exponent)
    total *= outside
    return (total if destination is None else total * destination).sum()

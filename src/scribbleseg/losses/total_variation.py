"""Soft outlines of the predicted regions: the total variation term of WSL4MIS."""

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["total_variation"]


def total_variation(
    logits: Tensor, valid: Tensor | None = None, *, foreground_only: bool = False
) -> Tensor:
    """Length of the predicted outlines, mean over all pixels and classes.

    Of each class's probabilities the opening (erosion, then dilation, 3 x 3 pixels) minus the
    erosion: 1 on an inner outline one pixel wide, 0 elsewhere. Not the sum of absolute differences
    that is usually called total variation. WSL4MIS (Luo et al., MICCAI 2022, arXiv 2203.02106).

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        valid: ``(B, H, W)`` bool, False on padding, which is like what lies outside the image: it
            takes no part. None if there is none.
        foreground_only: Leave class 0 out.

    Returns:
        Scalar in ``[0, 1]``; 0 with a gradient of 0 if no pixel is valid.

    >>> square = torch.tensor([99.0, 0.0])[None, :, None, None].repeat(1, 1, 9, 9)
    >>> square[:, 1, 3:6, 3:6] = 999  # of its 9 pixels 8 are outline
    >>> round(total_variation(square, foreground_only=True).item() * 81)
    8
    """
    prob = torch.softmax(at_least_float32(logits), dim=1)[:, int(foreground_only) :]
    inside = torch.ones_like(prob[:, :1], dtype=torch.bool) if valid is None else valid[:, None]
    # 1 is never the smallest, 0 never the largest: they take no part.
    erosion = -F.max_pool2d(-torch.where(inside, prob, 1), 3, stride=1, padding=1)
    opening = F.max_pool2d(torch.where(inside, erosion, 0), 3, stride=1, padding=1)
    outline = torch.where(inside, F.relu(opening - erosion), 0)
    return outline.sum() / (inside.sum() * prob.shape[1]).clamp_min(1)

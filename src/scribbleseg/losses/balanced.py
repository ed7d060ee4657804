"""Cross entropy in which background and objects weigh the same, however many pixels they have."""

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["balanced_cross_entropy"]


def balanced_cross_entropy(logits: Tensor, label: Tensor, *, ignore_index: int = 255) -> Tensor:
    """Half the mean over the background pixels and half the mean over all others.

    Segmentation loss of ToCo, Ru et al., "Token Contrast for Weakly-Supervised Semantic
    Segmentation", CVPR 2023.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised; class 0 is the background.
        label: ``(B, H, W)`` int64; a class in ``[0, K)`` or ``ignore_index``.
        ignore_index: Value of unlabelled pixels.

    Returns:
        Scalar >= 0; a half without pixels is 0 with a gradient of 0.

    >>> certain = torch.tensor([[[[9.0, 9.0, 9.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]]]])
    >>> balanced_cross_entropy(certain, torch.tensor([[[0, 0, 0, 1]]]))
    tensor(0.3466)
    """
    surprise = F.cross_entropy(
        at_least_float32(logits), label, ignore_index=ignore_index, reduction="none"
    )
    background = label == 0
    foreground = (label != ignore_index) & ~background
    halves = [
        torch.where(region, surprise, 0).sum() / region.sum().clamp_min(1)
        for region in (background, foreground)
    ]
    return (halves[0] + halves[1]) / 2

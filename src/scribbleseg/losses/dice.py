"""Dice loss of the soft prediction against labels."""

import torch
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["dice_loss"]


def dice_loss(
    logits: Tensor, label: Tensor, *, ignore_index: int = 255, smoothing: float = 1e-5
) -> Tensor:
    """``1 - (2 sum p t + s) / (sum p^2 + sum t + s)``, mean over the classes.

    Sums run over the labelled pixels of all images together; the background is a class like the
    others. The form of WSL4MIS (Luo et al., MICCAI 2022, arXiv 2203.02106). A class that is nowhere
    in the label has a term near 1 and hardly any gradient.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        label: ``(B, H, W)`` int64; a class in ``[0, K)`` or ``ignore_index``.
        ignore_index: Value of unlabelled pixels.
        smoothing: s, above 0.

    Returns:
        Scalar in ``[0, 1]``; 0 with a gradient of 0 if no pixel is labelled.

    >>> round(dice_loss(torch.zeros(1, 2, 1, 4), torch.tensor([[[0, 0, 1, 255]]])).item(), 4)
    0.3506
    """
    label = label[:, None]
    prob = torch.softmax(at_least_float32(logits), dim=1)
    prob = torch.where(label != ignore_index, prob, 0)
    target = label == torch.arange(logits.shape[1], device=label.device)[:, None, None]
    both = torch.where(target, prob, 0).sum(dim=(0, 2, 3))
    either = prob.square().sum(dim=(0, 2, 3)) + target.sum(dim=(0, 2, 3))
    return 1 - ((2 * both + smoothing) / (either + smoothing)).mean()

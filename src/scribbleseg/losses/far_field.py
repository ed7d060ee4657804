"""The far-field prior: what lies outside the hull of an image's strokes is background."""

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["far_background_loss"]


def far_background_loss(logits: Tensor, far_background: Tensor) -> Tensor:
    """``-log p_0``, mean over the far pixels of the batch.

    A term of its own with a mean of its own: pooled into the mean of the strokes it would swamp
    them (ACDC: 0.07 instead of 0.82 Dice). Our own prior; mask by `annotation.far_background`.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised; class 0 is the background.
        far_background: ``(B, H, W)`` bool.

    Returns:
        Scalar >= 0; 0 with a gradient of 0 if no pixel is far.

    >>> far_background_loss(torch.zeros(1, 4, 1, 2), torch.tensor([[[True, False]]]))
    tensor(1.3863)
    """
    surprise = -F.log_softmax(at_least_float32(logits), dim=1)[:, 0]
    return torch.where(far_background, surprise, 0).sum() / far_background.sum().clamp_min(1)

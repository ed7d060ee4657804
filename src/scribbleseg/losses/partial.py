"""Cross entropy over the labelled pixels only: the loss every scribble method starts from."""

import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["partial_cross_entropy"]


def partial_cross_entropy(
    logits: Tensor, label: Tensor, *, ignore_index: int = 255, label_smoothing: float = 0.0
) -> Tensor:
    """Cross entropy, mean over the labelled pixels of the batch.

    Tang et al., "Normalized Cut Loss for Weakly-supervised CNN Segmentation", CVPR 2018, first term
    of eq. 2.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        label: ``(B, H, W)`` int64; a class in ``[0, K)`` or ``ignore_index``.
        ignore_index: Value of unlabelled pixels.
        label_smoothing: Share of the target that is spread over all K classes, 0..1.

    Returns:
        Scalar >= 0; 0 with a gradient of 0 if no pixel is labelled.

    >>> partial_cross_entropy(torch.zeros(1, 4, 1, 2), torch.tensor([[[2, 255]]]))
    tensor(1.3863)
    """
    total = F.cross_entropy(
        at_least_float32(logits),
        label,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction="sum",
    )
    return total / (label != ignore_index).sum().clamp_min(1)

"""Labels that a network gives to its own training batch."""

import torch
from torch import Tensor

__all__ = ["online_pseudo_label"]


@torch.no_grad()
def online_pseudo_label(
    logits: Tensor,
    scribble: Tensor,
    tags: Tensor,
    valid: Tensor,
    *,
    threshold: float = 0.9,
    ignore_index: int = 255,
) -> Tensor:
    """The scribble where it is drawn, elsewhere what the network is sure of.

    Wang et al., "BLPSeg", IEEE TIP 2023. Probabilities of classes that are nowhere in the image are
    set to 0, and the others left as they are.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        scribble: ``(B, H, W)`` int64; a class in ``[0, K)`` or ``ignore_index``.
        tags: ``(B, K)``, 1 for the classes of the image, else 0.
        valid: ``(B, H, W)`` bool, False on padding, which gets no label.
        threshold: Least probability of a label, 0..1.
        ignore_index: Value of pixels without a label.

    Returns:
        ``(B, H, W)`` int64, without gradient.

    >>> logits = torch.tensor([[[[9.0, 0.0, 9.0]], [[0.0, 0.0, 0.0]]]])
    >>> drawn, valid = torch.tensor([[[255, 255, 1]]]), torch.ones(1, 1, 3, dtype=torch.bool)
    >>> online_pseudo_label(logits, drawn, torch.ones(1, 2), valid)
    tensor([[[  0, 255,   1]]])
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    probability = logits.softmax(dim=1, dtype=dtype) * tags[:, :, None, None]
    best, label = probability.max(dim=1)
    sure = torch.where(best >= threshold, label, ignore_index)
    merged = torch.where(scribble != ignore_index, scribble, sure)
    return torch.where(valid, merged, ignore_index)

"""Two predictions of one picture that shall agree where one of them is certain (USTM)."""

import torch
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["certain_consistency"]


def certain_consistency(logits: Tensor, target: Tensor, certain: Tensor) -> Tensor:
    """Half the squared distance of two class distributions, mean over the certain pixels.

    Liu et al., "Weakly Supervised Segmentation of COVID19 Infection with Scribble Annotation on CT
    Images", Pattern Recognition 2022.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        target: ``(B, K, H, W)`` float, unnormalised, of the teacher.
        certain: ``(B, H, W)`` bool: where the teacher is certain.

    Returns:
        Scalar in ``[0, 1]``; 0 with a gradient of 0 if nothing is certain.

    >>> logits = torch.tensor([[[[99.0]], [[0.0]]]])
    >>> certain_consistency(logits, logits.flip(1), torch.tensor([[[True]]]))
    tensor(1.)
    """
    gap = at_least_float32(logits).softmax(dim=1) - at_least_float32(target).softmax(dim=1)
    distance = torch.where(certain, gap.square().sum(dim=1), 0)
    return distance.sum() / (2 * certain.sum()).clamp_min(1)

"""The distance perception module of CDSP: entropy where distance says the labels can be trusted."""

import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["distance_entropy"]


def distance_entropy(logits: Tensor, distance: Tensor) -> Tensor:
    """Entropy of the predictions weighted by a distance map, mean over the pixels that count.

    Near a stroke, or far from the outline of a pseudo label, predictions shall be certain. CDSP,
    Zhang et al., "Scribble Hides Class", AAAI 2024, distance entropy loss.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        distance: ``(B, H, W)``, 0 (does not count) to 255 (counts fully).

    Returns:
        Scalar in ``[0, log K]``: the sum over the pixels, divided by the number of those with a
        weighted entropy above 0; 0 with a gradient of 0 if there are none.

    >>> distance_entropy(torch.zeros(1, 2, 1, 2), torch.tensor([[[255, 0]]]))
    tensor(0.6931)
    """
    log_probability = F.log_softmax(at_least_float32(logits), dim=1)
    entropy = -(log_probability.exp() * log_probability).sum(dim=1)
    weighted = distance.to(entropy.dtype) / 255 * entropy
    return weighted.sum() / (weighted != 0).sum().clamp_min(1)

"""Shannon entropy of the prediction, for entropy minimisation."""

import math

import torch
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["entropy_map", "entropy_of", "mean_entropy"]


def entropy_map(logits: Tensor, *, eps: float = 1e-6) -> Tensor:
    """Entropy of each pixel's class distribution, natural logarithm.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        eps: Added inside the logarithm, so that a one-hot distribution has an entropy of -1e-6.

    Returns:
        ``(B, H, W)`` in about ``[0, log K]``.

    >>> entropy_map(torch.zeros(1, 4, 1, 1))
    tensor([[[1.3863]]])
    """
    return entropy_of(torch.softmax(at_least_float32(logits), dim=1), eps=eps)


def entropy_of(prob: Tensor, *, eps: float = 1e-6) -> Tensor:
    """Entropy ``(B, H, W)`` of each pixel's class distribution ``(B, K, H, W)``.

    Args:
        prob: Probabilities, of sum 1 over the classes.
        eps: See `entropy_map`.

    >>> entropy_of(torch.tensor([[[[0.5]], [[0.5]]]]))
    tensor([[[0.6931]]])
    """
    return -(prob * torch.log(prob + eps)).sum(dim=1)


def mean_entropy(
    logits: Tensor, valid: Tensor | None = None, *, normalised: bool = True, eps: float = 1e-6
) -> Tensor:
    """Entropy, mean over all pixels of the batch, drawn ones too.

    Entropy term of WSL4MIS (Luo et al., MICCAI 2022, arXiv 2203.02106); Grandvalet and Bengio,
    NeurIPS 2004.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        valid: ``(B, H, W)`` bool, False on padding, which takes no part; None if there is none.
        normalised: Divide by ``log K``, so that the range is about ``[0, 1]``.
        eps: See `entropy_map`.

    Returns:
        Scalar; 0 with a gradient of 0 if no pixel is valid.

    >>> mean_entropy(torch.zeros(2, 4, 3, 3))
    tensor(1.0000)
    """
    entropy = entropy_map(logits, eps=eps)
    mean = (
        entropy.mean()
        if valid is None
        else torch.where(valid, entropy, 0).sum() / valid.sum().clamp_min(1)
    )
    return mean / math.log(logits.shape[1]) if normalised else mean

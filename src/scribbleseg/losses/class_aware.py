"""Losses of LPL, in which the classes that an image is known to have compete among themselves.

Wang et al., "Learning pseudo labels for semi-and-weakly supervised semantic segmentation", Pattern
Recognition 132, 2022. The tags of an image name its classes, background included.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = [
    "class_aware_cross_entropy",
    "class_aware_label",
    "class_aware_probability",
    "image_level_loss",
]

LOG_EPSILON = math.log(1e-5)
"""Logarithm of what is added to the sum of exponentials and to the probability, as published."""


def class_aware_cross_entropy(
    logits: Tensor,
    label: Tensor,
    tags: Tensor,
    *,
    temperature: float = 1.0,
    reduction: Literal["mean", "none"] = "mean",
    ignore_index: int = 255,
) -> Tensor:
    """``-log(q_y + eps)``, where ``q_c = e_c / (sum of e over the tagged classes + eps)``.

    Classes that the image does not have get no gradient. The factor ``q / (q + eps)`` of the
    gradient switches pixels off whose label is taken for far less likely than ``eps`` = 1e-5. A
    label that is not among the tags is not bounded: -loss grows with its logit for ever.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        label: ``(B, H, W)`` int64; a class in ``[0, K)`` or ``ignore_index``.
        tags: ``(B, K)``, above 0 for the classes of the image.
        temperature: Divisor of the logits, above 0.
        reduction: The mean over the labelled pixels, or the loss of each pixel.
        ignore_index: Value of unlabelled pixels.

    Returns:
        Scalar, 0 with a gradient of 0 if no pixel is labelled; or ``(B, H, W)``, 0 at unlabelled
        pixels. From -1e-5 to 11.52 for labels among the tags.

    >>> label, tags = torch.tensor([[[0]]]), torch.tensor([[1, 1, 0, 0]])
    >>> class_aware_cross_entropy(torch.zeros(1, 4, 1, 1), label, tags)
    tensor(0.6931)
    """
    logits = at_least_float32(logits) / temperature
    labelled = label != ignore_index
    own = logits.gather(1, torch.where(labelled, label, 0).unsqueeze(1))
    _, total, shift = _exponentials(logits, tags)
    log_share = (own - shift - total.log()).squeeze(1)
    surprise = -torch.logaddexp(log_share, log_share.new_full((), LOG_EPSILON))
    surprise = torch.where(labelled, surprise, 0)
    return surprise if reduction == "none" else surprise.sum() / labelled.sum().clamp_min(1)


def class_aware_probability(logits: Tensor, tags: Tensor, *, temperature: float = 1.0) -> Tensor:
    """The softmax over the classes of the image; 0 for the others.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        tags: ``(B, K)``, above 0 for the classes of the image.
        temperature: Divisor of the logits, above 0.

    Returns:
        ``(B, K, H, W)`` in 0..1; the sum over the classes is a little below 1, and 0 for an image
        without tags.

    >>> probability = class_aware_probability(torch.zeros(1, 3, 1, 1), torch.tensor([[1, 1, 0]]))
    >>> probability.flatten().round(decimals=4)
    tensor([0.5000, 0.5000, 0.0000])
    """
    exponentials, total, _ = _exponentials(at_least_float32(logits) / temperature, tags)
    return exponentials / total


@torch.no_grad()
def class_aware_label(logits: Tensor, tags: Tensor) -> Tensor:
    """The likeliest of the image's classes at each pixel.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        tags: ``(B, K)``, above 0 for the classes of the image.

    Returns:
        ``(B, H, W)`` int64; 0 for an image without tags.

    >>> class_aware_label(torch.tensor([[[[1.0]], [[2.0]], [[3.0]]]]), torch.tensor([[1, 1, 0]]))
    tensor([[[1]]])
    """
    return _of_tags(logits, tags).argmax(dim=1) * (tags > 0).any(dim=1)[:, None, None]


def image_level_loss(logits: Tensor, tags: Tensor, *, known: Tensor | None = None) -> Tensor:
    """Logistic loss of each object class, by its largest logit anywhere in the image.

    Mean over images and classes but the background. What pushes absent classes down.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised; class 0 is the background.
        tags: ``(B, K)``, above 0 for the classes of the image.
        known: ``(B,)`` bool: the images that count; None for all. The loss is 0 if none does.

    Returns:
        Scalar >= 0.

    >>> image_level_loss(torch.zeros(1, 3, 2, 2), torch.tensor([[1, 1, 0]]))
    tensor(0.6931)
    """
    largest = at_least_float32(logits.amax(dim=(2, 3)))[:, 1:]
    present = (tags[:, 1:] > 0).to(largest.dtype)
    if known is None:
        return F.binary_cross_entropy_with_logits(largest, present)
    loss = F.binary_cross_entropy_with_logits(largest, present, reduction="none").mean(dim=1)
    return (loss * known).sum() / known.sum().clamp_min(1)


def _of_tags(logits: Tensor, tags: Tensor) -> Tensor:
    """Logits of the image's classes, minus infinity for the others."""
    return logits.masked_fill((tags <= 0)[:, :, None, None], -math.inf)


def _exponentials(logits: Tensor, tags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Exponentials of the image's classes, their sum plus epsilon, and the shift of the logits.

    The shift is the largest of them, so that no exponential is above 1.
    """
    known = _of_tags(logits, tags)
    shift = known.detach().amax(dim=1, keepdim=True).clamp_min(LOG_EPSILON)
    exponentials = (known - shift).exp()
    total = exponentials.sum(dim=1, keepdim=True) + (LOG_EPSILON - shift).exp()
    return exponentials, total, shift

"""The two losses of BLPSeg: learn where annotators draw, and give expected strokes less weight.

Wang et al., "BLPSeg: Balance the Label Preference in Scribble-Supervised Semantic Segmentation",
IEEE TIP 2023. Annotators prefer the roomy parts of objects, so strokes are no fair sample of them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = [
    "annotation_probability_loss",
    "balanced_label_preference_loss",
    "label_preference_weight",
]

EPSILON = 1e-7
"""Added to the sum of an image's weights, as published."""


def annotation_probability_loss(
    annotation_logits: Tensor,
    scribble: Tensor,
    valid: Tensor,
    *,
    unannotated_weight: float = 0.02,
    ignore_index: int = 255,
) -> Tensor:
    """Cross entropy against what was drawn where, "not drawn" being a class of its own.

    Mean over the valid pixels of the batch, weighted: 1 for drawn pixels, which are few, and
    ``unannotated_weight`` for the others.

    Args:
        annotation_logits: ``(B, K + 1, H, W)`` float, unnormalised; the last channel is "not
            drawn".
        scribble: ``(B, H, W)`` int64; a class in ``[0, K)`` or ``ignore_index``.
        valid: ``(B, H, W)`` bool, False on padding, which takes no part.
        unannotated_weight: Weight of pixels that are not drawn, 0 or more.
        ignore_index: Value of pixels that are not drawn.

    Returns:
        Scalar >= 0; 0 with a gradient of 0 if no pixel is valid.

    >>> drawn, valid = torch.tensor([[[0, 255]]]), torch.tensor([[[True, True]]])
    >>> annotation_probability_loss(torch.zeros(1, 3, 1, 2), drawn, valid)
    tensor(1.0986)
    """
    not_drawn = annotation_logits.shape[1] - 1
    is_drawn = scribble != ignore_index
    label = torch.where(is_drawn, scribble, not_drawn)
    logits = at_least_float32(annotation_logits)
    surprise = F.cross_entropy(logits, label, reduction="none")
    drawn = is_drawn.to(logits.dtype)
    weight = (drawn + unannotated_weight * (1 - drawn)) * valid
    total = weight.sum()
    return (weight * surprise).sum() / total.where(total > 0, 1)


def balanced_label_preference_loss(
    logits: Tensor,
    annotation_logits: Tensor,
    label: Tensor,
    *,
    gamma: float = 2.0,
    ignore_index: int = 255,
) -> Tensor:
    """Cross entropy over each image's labelled pixels, weighted against the label preference.

    The weights are those of `label_preference_weight`, divided by their sum in the image. Mean over
    all images, those without labels included.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        annotation_logits: ``(B, K + 1, H, W)`` float, unnormalised; a constant here.
        label: ``(B, H, W)`` int64; a class in ``[0, K)`` or ``ignore_index``.
        gamma: Exponent of the weights, 0 or more; 0 gives every labelled pixel the same weight.
        ignore_index: Value of pixels without a label.

    Returns:
        Scalar >= 0; 0 with a gradient of 0 if no pixel is labelled.

    >>> label = torch.tensor([[[0, 1, 255]]])
    >>> balanced_label_preference_loss(torch.zeros(1, 2, 1, 3), torch.zeros(1, 3, 1, 3), label)
    tensor(0.6931)
    """
    weight = label_preference_weight(
        logits, annotation_logits, label, gamma=gamma, ignore_index=ignore_index
    )
    surprise = F.cross_entropy(
        at_least_float32(logits), label, ignore_index=ignore_index, reduction="none"
    )
    total = (weight * surprise).sum(dim=(1, 2))
    return (total / (weight.sum(dim=(1, 2)) + EPSILON)).mean()


@torch.no_grad()
def label_preference_weight(
    logits: Tensor,
    annotation_logits: Tensor,
    label: Tensor,
    *,
    gamma: float = 2.0,
    ignore_index: int = 255,
) -> Tensor:
    """``(1 - q p)^gamma``: little for pixels where strokes are expected and that are well learned.

    ``q`` is the probability that the pixel is drawn as its class, ``p`` that it is of its class.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        annotation_logits: ``(B, K + 1, H, W)`` float, unnormalised.
        label: ``(B, H, W)`` int64; a class in ``[0, K)`` or ``ignore_index``.
        gamma: Exponent, 0 or more.
        ignore_index: Value of pixels without a label, whose weight is 0.

    Returns:
        ``(B, H, W)`` in 0..1, without gradient.

    >>> sure = torch.tensor([[[[99.0]], [[0.0]], [[0.0]]]])
    >>> label_preference_weight(sure[:, :2], sure, torch.zeros(1, 1, 1, dtype=torch.long))
    tensor([[[0.]]])
    """
    labelled = label != ignore_index
    index = torch.where(labelled, label, 0).unsqueeze(1)
    expected, learned = (
        at_least_float32(one).softmax(dim=1).gather(1, index).squeeze(1)
        for one in (annotation_logits, logits)
    )
    return (1 - expected * learned).pow(gamma) * labelled

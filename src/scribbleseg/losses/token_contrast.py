"""The two contrasts of ToCo, which keep the tokens of a vision transformer from growing alike.

L. Ru et al., "Token Contrast for Weakly-Supervised Semantic Segmentation", CVPR 2023, arXiv
2303.01267. Published code: github rulixiang/ToCo.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["class_token_contrast", "patch_token_contrast"]

EPSILON = 1e-4
"""Keeps the class token contrast finite where no crop is negative."""


def patch_token_contrast(features: Tensor, label: Tensor, *, ignore_index: int = 255) -> Tensor:
    """Patch tokens of one class shall have one direction, those of two classes none in common.

    With s the absolute cosine of two tokens of an image, ``(1 - sum s / (n + 1)) / 2`` over the n
    pairs of one class in the batch and ``sum s / (n + 1) / 2`` over the pairs of two classes (PTC).
    A token is no pair with itself. The similarities of all pairs are held: 2.5 MB for an image of
    448 x 448 pixels and patches of 16.

    Args:
        features: ``(B, C, h, w)`` float, the patch tokens.
        label: ``(B, h, w)``, class of each token or ``ignore_index``.
        ignore_index: Value of tokens that take no part.

    Returns:
        Scalar in ``[0, 1]``; a half without pairs is 0 with a gradient of 0. (Published: 0.5
        without pairs of one class, which is a constant.)

    >>> features = torch.tensor([[[[1.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]]])
    >>> patch_token_contrast(features, torch.tensor([[[3, 3, 0]]]))  # two pairs, both ways round
    tensor(0.1667)
    """
    token = F.normalize(at_least_float32(features).flatten(2), dim=1, eps=1e-8)
    # Autocast would compute the similarities in half precision again.
    with torch.autocast(token.device.type, enabled=False):
        similarity = (token.transpose(1, 2) @ token).abs()
    flat = label.flatten(1)
    known = flat != ignore_index
    same = flat.unsqueeze(2) == flat.unsqueeze(1)
    pairs = known.unsqueeze(2) & known.unsqueeze(1)
    pairs.diagonal(dim1=1, dim2=2).fill_(False)
    positive, positives = _sum(similarity, pairs & same)
    negative, negatives = _sum(similarity, pairs & ~same)
    attraction = positives.clamp_max(1) - positive / (positives + 1)
    return (attraction + negative / (negatives + 1)) / 2


def _sum(similarity: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Sum over the chosen pairs, and their number."""
    return torch.where(pairs, similarity, 0).sum(), pairs.sum()


def class_token_contrast(
    student: Tensor, teacher: Tensor, positive: Tensor, *, temperature: float
) -> Tensor:
    """Class tokens of crops of objects shall be like the whole image's, those of background not.

    For every global crop g and every positive crop j of an image, ``-log(e_j / (e_j + N + 1e-4))``
    with ``e_j = exp(<g, j> / temperature)`` and N the sum of e over the negative crops; and once
    for every g ``-log(1 / (1 + N + 1e-4))``, which the published code adds at the end of its loop.
    The sum is divided by the numbers of global and (plus 1e-4) of positive crops (CTC).

    Args:
        student: ``(crops * B, D)`` float, projected class tokens of all crops, crop by crop: first
            the B images' first crop. The global crops come first.
        teacher: ``(globals * B, D)``, those of the global crops by the teacher; a constant.
        positive: ``(B, crops)`` bool or 0 and 1; False where a crop shows background only. Global
            crops are positive.
        temperature: Similarities are divided by it; published 0.5 (VOC) and 1.0 (COCO).

    Returns:
        Scalar >= 0, mean over the images.

    >>> alike = torch.ones(3, 1)
    >>> class_token_contrast(alike, alike[:2], torch.tensor([[1, 1, 0]]), temperature=1.0)
    tensor(1.3497)
    """
    by_crop = (-1, len(positive), student.shape[1])
    of_student = at_least_float32(student).reshape(by_crop)
    of_teacher = at_least_float32(teacher.detach()).reshape(by_crop)
    with torch.autocast(student.device.type, enabled=False):
        similarity = torch.einsum("gbd,jbd->bgj", of_teacher, of_student) / temperature
    chosen = positive.bool().unsqueeze(1)
    # Everything in logarithms: exp(<g, j> / temperature) is too large a number for similar tokens.
    repulsion = torch.cat(
        [
            similarity.masked_fill(chosen, -torch.inf),
            torch.full_like(similarity[..., :1], math.log(EPSILON)),
        ],
        dim=2,
    ).logsumexp(dim=2)
    surprise = F.softplus(repulsion.unsqueeze(2) - similarity)  # -log(e_j / (e_j + N + 1e-4))
    of_global = torch.where(chosen, surprise, 0).sum(dim=2) + F.softplus(repulsion)
    count = positive.to(of_global.dtype).sum(dim=1) + EPSILON
    return (of_global.mean(dim=1) / count).mean()

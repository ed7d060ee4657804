"""The Mumford-Shah functional: regions of even intensity, and short outlines."""

import torch
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["mumford_shah", "mumford_shah_wsl4mis", "outline_length", "variance_inside"]


def mumford_shah(logits: Tensor, image: Tensor, valid: Tensor | None = None) -> Tensor:
    """Intensity variance inside each soft region, and the length of its outline; plain sums.

    ``sum_c sum_x p_c (I - m_c)^2``, m_c the mean intensity of region c in its image, plus
    `outline_length`. Kim and Ye, "Mumford-Shah Loss Functional for Image Segmentation with Deep
    Learning", IEEE TIP 2020, arXiv 1904.02872. It grows with the number of images and of pixels.

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        image: ``(B, C, H, W)`` float, intensities.
        valid: ``(B, H, W)`` bool, False on padding, which takes no part; None if there is none.

    Returns:
        Scalar >= 0; 0 with a gradient of 0 if no pixel is valid.

    >>> halves = torch.tensor([[[[99.0, 0.0]], [[0.0, 99.0]]]])
    >>> mumford_shah(halves, torch.tensor([[[[0.2, 0.8]]]]))  # even regions; an outline for each
    tensor(2.)
    """
    prob = torch.softmax(at_least_float32(logits), dim=1)
    return variance_inside(prob, at_least_float32(image), valid) + outline_length(prob, valid)


def mumford_shah_wsl4mis(logits: Tensor, image: Tensor, valid: Tensor | None = None) -> Tensor:
    """The term of WSL4MIS, which calls the functional with image and prediction exchanged.

    What is measured is the variance of the prediction among bright pixels: it makes the prediction
    smooth, and has nothing to do with regions of even intensity. The published figures of
    scribble supervision are those of this form (Luo et al., MICCAI 2022, arXiv 2203.02106).

    Args:
        logits: ``(B, K, H, W)`` float, unnormalised.
        image: ``(B, C, H, W)`` float >= 0: a mean over intensities has no meaning if they are
            centred on 0.
        valid: ``(B, H, W)`` bool, False on padding, which takes no part; None if there is none.

    Returns:
        Scalar >= 0; 0 with a gradient of 0 if no pixel is valid.

    >>> halves = torch.tensor([[[[99.0, 0.0]], [[0.0, 99.0]]]])
    >>> mumford_shah_wsl4mis(halves, torch.tensor([[[[0.5, 0.5]]]]))  # 4 of 0.5 / 4, and 2
    tensor(2.5000)
    """
    prob = torch.softmax(at_least_float32(logits), dim=1)
    return variance_inside(at_least_float32(image), prob, valid) + outline_length(prob, valid)


def variance_inside(weight: Tensor, value: Tensor, valid: Tensor | None = None) -> Tensor:
    """Weighted squared distance of values from their weighted mean in the same image, summed.

    Over all images, all pairs of a weight map and a value map, and all pixels. Gradients pass
    through the means as well.

    Args:
        weight: ``(B, I, H, W)`` float >= 0.
        value: ``(B, J, H, W)`` float.
        valid: ``(B, H, W)`` bool, False where no pixel is; None if all are.

    >>> variance_inside(torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0, 4.0]]]]))  # mean 3
    tensor(12.)
    """
    if valid is not None:
        weight = torch.where(valid[:, None], weight, 0)
    weight, value = weight.flatten(2), value.flatten(2).mT
    total = weight.sum(dim=2, keepdim=True)
    total = torch.where(total == 0, 1, total)  # nothing weighs anything, and the sums are 0 as well
    # As a difference of sums: no map for each pair. Autocast would take half precision.
    with torch.autocast(weight.device.type, enabled=False):
        return (weight @ value.square() - (weight @ value).square() / total).sum()


def outline_length(prob: Tensor, valid: Tensor | None = None) -> Tensor:
    """Absolute differences of the pixels that touch by a side, summed over images and maps.

    Args:
        prob: ``(B, K, H, W)`` float.
        valid: ``(B, H, W)`` bool, False where no pixel is; None if all are.

    >>> outline_length(torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]]))
    tensor(2.)
    """
    down = (prob[..., 1:, :] - prob[..., :-1, :]).abs()
    right = (prob[..., 1:] - prob[..., :-1]).abs()
    if valid is not None:
        down = torch.where((valid[:, 1:] & valid[:, :-1])[:, None], down, 0)
        right = torch.where((valid[..., 1:] & valid[..., :-1])[:, None], right, 0)
    return down.sum() + right.sum()

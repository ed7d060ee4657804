"""Tree energy loss: unlabelled pixels learn from pixels that picture and features tie them to.

Liang et al., "Tree Energy Loss: Towards Sparsely Annotated Semantic Segmentation", CVPR 2022,
arXiv 2203.10739.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.losses.precision import at_least_float32
from scribbleseg.losses.tree_filter import tree_filter

__all__ = ["tree_energy_loss"]


def tree_energy_loss(
    logits: Tensor,
    image: Tensor,
    unlabelled: Tensor,
    embedding: Tensor | None = None,
    *,
    sigma: float = 0.02,
    detach_target: bool = False,
) -> Tensor:
    """Absolute difference of the prediction and its mean along trees, over unlabelled pixels.

    The soft pseudo label is the prediction filtered along the tree of the image, then along that of
    the embedding (`tree_filter`). Gradients reach the logits through prediction and pseudo label,
    and the embedding through its affinities.

    Args:
        logits: ``(B, K, h, w)`` float, unnormalised.
        image: ``(B, C, H, W)`` float in ``[0, 1]``, to which sigma belongs; interpolated (bilinear)
            to the size of the logits.
        unlabelled: ``(B, H, W)`` bool: no label, and no padding. Nearest to the size of the logits:
            the top left pixel of a cell.
        embedding: ``(B, D, h, w)`` float; None for the tree of the image alone.
        sigma: Squared difference of the image at which the affinity of neighbours is 1/e. That of
            the embedding is 1.
        detach_target: Make the pseudo label a constant to the gradient; the embedding learns
            nothing then.

    Returns:
        Scalar, the sum over classes, mean over unlabelled pixels of the batch; 0 with a gradient of
        0 if there are none.

    >>> logits = torch.tensor([[[[1.0, -1.0]], [[-1.0, 1.0]]]])
    >>> tree_energy_loss(logits, torch.zeros(1, 1, 1, 2), torch.ones(1, 1, 2, dtype=torch.bool))
    tensor(0.7616)
    """
    prob = torch.softmax(at_least_float32(logits), dim=1)
    size = prob.shape[-2:]
    picture = at_least_float32(image.detach())
    picture = F.interpolate(picture, size, mode="bilinear", align_corners=False)
    target = tree_filter(prob, picture, sigma=sigma)
    if embedding is not None:
        target = tree_filter(target, embedding)
    if detach_target:
        target = target.detach()
    where = F.interpolate(unlabelled[:, None].to(prob.dtype), size, mode="nearest")
    return (where * (prob - target).abs()).sum() / where.sum().clamp_min(1)

"""Any image size for strided networks: pad right and bottom, crop the logits back."""

import torch.nn.functional as F
from torch import Tensor

__all__ = ["check_divisible", "crop_like", "pad_to_multiple"]


def pad_to_multiple(image: Tensor, stride: int) -> Tensor:
    """Image padded with zeros (the mean colour after normalisation) at the right and bottom.

    Args:
        image: ``(B, C, H, W)``.
        stride: Pixels; the sides of the result are the next multiples of it.

    >>> pad_to_multiple(torch.ones(1, 1, 3, 4), 4).sum(dim=-1)
    tensor([[[4., 4., 4., 0.]]])
    """
    # Without a branch, and in a form from which a recorded graph sees that the result is divisible.
    bottom, right = ((side + stride - 1) // stride * stride - side for side in image.shape[-2:])
    return F.pad(image, (0, right, 0, bottom))


def crop_like(logits: Tensor, image: Tensor) -> Tensor:
    """The top left part of ``logits`` ``(B, K, H', W')`` that covers ``image`` ``(B, C, H, W)``."""
    return logits[..., : image.shape[-2], : image.shape[-1]]


def check_divisible(image: Tensor, stride: int) -> None:
    """Refuse an image that `features` cannot take.

    Raises:
        ValueError: A side of ``image`` ``(B, C, H, W)`` is not a multiple of ``stride``.
    """
    height, width = image.shape[-2:]
    if height % stride or width % stride:
        raise ValueError(
            f"features() got {width}x{height} pixels, which {stride} does not divide; "
            f"choose a crop whose sides are multiples of {stride} (forward() takes any size)"
        )

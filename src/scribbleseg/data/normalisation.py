"""From the values of a picture to those a network takes."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Normalisation"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB on the 0..1 scale: what pretrained encoders were trained with."""


@dataclass(frozen=True)
class Normalisation:
    """Subtract a mean and divide by a standard deviation, on the device.

    Args:
        mean: Mean of each channel on the 0..1 scale.
        std: Standard deviation of each channel on the 0..1 scale.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Normalised float32 pictures ``(B, C, H, W)`` of uint8 ones.

        Convolutions are faster in the memory format channels_last, which they then keep.

        >>> Normalisation((0.5,), (0.25,))(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)).item()
        2.0
        """
        floats = images.to(dtype=torch.float32, memory_format=torch.channels_last)
        mean, std = (floats.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (floats / 255 - mean) / std

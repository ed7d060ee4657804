"""From the values of a picture to those a network takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scribbleseg.errors import ConfigError

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Normalisation", "normalisation_of"]

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
        mean, std = self._of_channels(floats)
        return (floats / 255 - mean) / std

    def undo(self, images: Tensor) -> Tensor:
        """The pictures ``(B, C, H, W)`` on the 0..1 scale, of normalised ones.

        Exactly what they were: whole 255ths.

        >>> Normalisation((0.5,), (0.25,)).undo(torch.full((1, 1, 1, 1), -2.0)).item()
        0.0
        """
        mean, std = self._of_channels(images)
        return ((images * std + mean) * 255).round() / 255

    def _of_channels(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (like.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return mean, std


def normalisation_of(
    mean: Sequence[float] | None, std: Sequence[float] | None, *, channels: int
) -> Normalisation:
    """What ``data.mean`` and ``data.std`` mean.

    Args:
        mean: Of each channel on the 0..1 scale; None for ImageNet's (RGB) or 0 (grey).
        std: The same; None for ImageNet's (RGB) or 1 (grey).
        channels: Channels of a picture: 3 or 1.

    Raises:
        ConfigError: Their number is another.
    """
    grey = channels == 1
    means = tuple(mean or ((0.0,) if grey else IMAGENET_MEAN))
    stds = tuple(std or ((1.0,) if grey else IMAGENET_STD))
    if not len(means) == len(stds) == channels:
        raise ConfigError(f"data.mean, data.std: {channels} value(s) each, got {means} and {stds}")
    return Normalisation(means, stds)

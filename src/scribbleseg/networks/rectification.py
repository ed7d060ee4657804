"""The localization rectification module of CDSP (LoRM)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scribbleseg.networks.attention import attend

__all__ = ["LocalizationRectification", "foreground_on_map"]


class LocalizationRectification(nn.Module):
    """Features of objects described by all others that resemble them.

    CDSP, Zhang et al., "Scribble Hides Class", AAAI 2024, localization rectification module. At a
    position inside the pseudo label's objects, the rectified feature is the mean of all features
    of the picture, weighted by the softmax of the cosine between a query of this position and the
    keys of the others. Elsewhere it is 0. `losses.rectification_loss` pulls features towards it.

    Args:
        channels: Channels C of the feature map.

    >>> module = LocalizationRectification(4)
    >>> inside = torch.tensor([[[True, False]]])
    >>> module(torch.ones(1, 4, 1, 2), inside)[0, 0].tolist()
    [[1.0, 0.0]]
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.ones(1))
        for name, parameter in self.named_parameters():
            # As published: the initialisation of every convolution outside the backbone.
            if name.endswith("weight"):
                nn.init.normal_(parameter, std=(2 / channels) ** 0.5)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, features: Tensor, foreground: Tensor) -> Tensor:
        """The rectified features.

        Args:
            features: ``(B, C, h, w)`` float.
            foreground: ``(B, h, w)`` bool, the positions inside objects.

        Returns:
            ``(B, C, h, w)``; 0 where ``foreground`` is False.
        """
        query, key = _unit(self.query(features)), _unit(self.key(features))
        # Only positions inside objects are targets; there are as many as there are, so pictures go
        # one by one.
        pictures = []
        for q, k, x, inside in zip(query, key, features, foreground, strict=True):
            targets = inside.flatten().nonzero().squeeze(1)
            value = x.flatten(1).T.to(q.dtype)
            seen = attend(q.flatten(1).T[targets], k.flatten(1).T, value)
            rectified = torch.zeros_like(value).index_copy(0, targets, seen)
            pictures.append(rectified.T.reshape(x.shape))
        return self.gamma * torch.stack(pictures)


def foreground_on_map(
    pseudo_label: Tensor, size: tuple[int, int], *, ignore_index: int = 255
) -> Tensor:
    """Which positions of a feature map touch an object of the pseudo label.

    Bilinear interpolation with aligned corners, as published; what is not 0 counts.

    Args:
        pseudo_label: ``(B, H, W)`` integer, 0 background.
        size: Height and width of the feature map.
        ignore_index: Label that is no object.

    Returns:
        ``(B, h, w)`` bool.
    """
    objects = (pseudo_label > 0) & (pseudo_label != ignore_index)
    on_map = F.interpolate(
        objects.unsqueeze(1).float(), size=size, mode="bilinear", align_corners=True
    )
    touched: Tensor = on_map.squeeze(1) > 0
    return touched


def _unit(vectors: Tensor) -> Tensor:
    """Each position's vector divided by its length, in single precision at least.

    In half precision the product of two lengths can overflow. A vector of length 0 stays 0, with a
    gradient that is finite.
    """
    vectors = vectors if vectors.dtype == torch.float64 else vectors.float()
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    unit: Tensor = vectors / length.where(length > 0, 1.0)
    return unit

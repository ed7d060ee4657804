"""Every pixel's feature, augmented by what prototypes of its picture's classes tell (PFA)."""

import torch
from torch import Tensor, nn

__all__ = ["FeatureAugmentation"]


class FeatureAugmentation(nn.Module):
    """Pixels attend to prototypes, and what they find is added to them.

    With pixels x and prototypes p, both projected to half the width: ``q = W_f x``, ``k = W_p p``
    (key and value), ``u = relu(W_3 [softmax(q k^T) k, q])``, result ``relu(x + W_4 u)``; all with
    biases, the softmax over prototypes and without a factor. Chan et al., "Scribble-Supervised
    Semantic Segmentation with Prototype-based Feature Augmentation", ICML 2024.

    Args:
        channels: Width D of the features and of the prototypes.

    >>> block = FeatureAugmentation(8)
    >>> block(torch.zeros(2, 8, 3, 5), torch.zeros(1, 4, 8), torch.ones(2, 4)).shape
    torch.Size([2, 8, 3, 5])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = max(channels // 2, 1)
        self.of_prototype = nn.Linear(channels, half)
        self.of_feature = nn.Linear(channels, half)
        self.fusion = nn.Linear(2 * half, half)
        self.expansion = nn.Linear(half, channels)

    def forward(self, features: Tensor, prototypes: Tensor, present: Tensor) -> Tensor:
        """The augmented features.

        Args:
            features: ``(B, D, h, w)`` float.
            prototypes: ``(B, M, D)`` float, or ``(1, M, D)`` for the same ones everywhere.
            present: ``(B, M)``, above 0 for the prototypes that a picture's pixels see; at least
                one each.

        Returns:
            ``(B, D, h, w)``, 0 or above.
        """
        pixels = features.flatten(2).mT
        query, key = self.of_feature(pixels), self.of_prototype(prototypes.to(pixels.dtype))
        score = (query @ key.mT).masked_fill(present.unsqueeze(1) <= 0, -torch.inf)
        seen = score.softmax(dim=-1).to(key.dtype) @ key
        found = torch.relu(self.fusion(torch.cat([seen, query], dim=-1)))
        augmented = torch.relu(pixels + self.expansion(found))
        return augmented.mT.reshape(features.shape)

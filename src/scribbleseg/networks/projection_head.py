"""The head behind which class tokens are compared: that of DINO (Caron et al., ICCV 2021)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ProjectionHead"]


class ProjectionHead(nn.Module):
    """Three linear layers with GELU, a vector of length 1, and its cosines with learned vectors.

    The last layer is a weight-normalised linear layer whose gain stays 1.

    Args:
        channels: Length of the class token.
        hidden_channels: Width of the two hidden layers.
        bottleneck_channels: Length of the normalised vector.
        out_channels: Number of learned vectors.

    >>> head = ProjectionHead(8, hidden_channels=4, bottleneck_channels=3, out_channels=5)
    >>> bool((head(torch.randn(2, 8)).abs() <= 1).all())
    True
    """

    def __init__(
        self,
        channels: int = 768,
        *,
        hidden_channels: int = 2048,
        bottleneck_channels: int = 256,
        out_channels: int = 1024,
    ) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden_channels),
            nn.GELU(),
            nn.Linear(hidden_channels, hidden_channels),
            nn.GELU(),
            nn.Linear(hidden_channels, bottleneck_channels),
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        # Their length decides how far a step turns them: that of a new linear layer, as published.
        bound = bottleneck_channels**-0.5
        self.directions = nn.Parameter(
            torch.empty(out_channels, bottleneck_channels).uniform_(-bound, bound)
        )

    def forward(self, class_token: Tensor) -> Tensor:
        """Cosines ``(B, out_channels)`` of class tokens ``(B, channels)``."""
        vector = F.normalize(self.mlp(class_token), dim=-1)
        return F.linear(vector, F.normalize(self.directions, dim=-1))

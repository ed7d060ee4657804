"""The map to which the modules of the published methods attach: one convention for every network.

Rectification (CDSP), aggregation (BLPSeg) and prototypes (PFA) read a map that is coarse and deep.
Which one that is belongs to the network; a method asks for it together with the logits, or, if it
changes the map, together with what the network makes of it.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["SemanticNetwork", "SplitNetwork", "cells_of_image"]


@runtime_checkable
class SemanticNetwork(Protocol):
    """A network that hands out its semantic map; all of `scribbleseg.networks` do."""

    semantic_channels: int
    """Channels of the map."""

    def with_semantic_map(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B, num_classes, H, W)`` and the map ``(B, semantic_channels, h, w)``."""
        ...


@runtime_checkable
class SplitNetwork(Protocol):
    """A network that goes on from any semantic map, also from one that a method has changed."""

    semantic_channels: int
    """Channels of the map."""

    stride: int
    """Pixels that divide the sides of what `split` takes."""

    def split(self, image: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The semantic map, and the rest of the network as a function of it.

        Args:
            image: ``(B, in_channels, H, W)`` float; H and W multiples of ``stride``.

        Returns:
            Map ``(B, semantic_channels, h, w)``; function from such a map to logits
            ``(B, num_classes, h', w')`` at the size at which the network's head works. Enlarged
            to the image (bilinear, aligned corners) they are those of the network.
        """
        ...


def cells_of_image(features: Tensor, padded: Tensor, image: Tensor) -> Tensor:
    """The cells of a map that cover the image: those below padding alone are cut off.

    Args:
        features: Map ``(B, C, h, w)`` of ``padded``.
        padded: ``(B, C', H', W')``, the image padded at the right and bottom; ``h`` divides ``H'``
            and ``w`` divides ``W'``.
        image: ``(B, C', H, W)``.

    >>> features, padded = torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 16, 16)
    >>> cells_of_image(features, padded, torch.zeros(1, 3, 9, 8)).shape
    torch.Size([1, 1, 3, 2])
    """
    height, width = (
        -(-side * cells // whole)
        for side, cells, whole in zip(
            image.shape[-2:], features.shape[-2:], padded.shape[-2:], strict=True
        )
    )
    return features[..., :height, :width]

"""Any network with local aggregation of its logits and an annotation head, as BLPSeg trains them.

Wang et al., "BLPSeg: Balance the Label Preference in Scribble-Supervised Semantic Segmentation",
IEEE TIP 2023. Its own network, `AggregatedUPerNet`, has logits at a quarter of the image's size and
aggregates them there. Here the logits have the image's size. Their means over cells are aggregated,
and what that changes is added to the logits, so that outlines stay as fine as they were.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scribbleseg.errors import ConfigError
from scribbleseg.networks.aggregation import LocalAggregation
from scribbleseg.networks.annotation_network import AnnotationNetwork, pixel_classifier
from scribbleseg.networks.factory import NetworkFactory
from scribbleseg.networks.padding import crop_like, pad_to_multiple
from scribbleseg.networks.semantic_map import SemanticNetwork

__all__ = ["Aggregated"]


class Aggregated(nn.Module):
    """A network with what BLPSeg adds to it.

    Args:
        num_classes: Classes predicted, background included.
        in_channels: Channels of the image.
        base: The network, e.g. ``scribbleseg.networks.PlainUNet``; any with a semantic map (all of
            `scribbleseg.networks`), which the annotation head reads.
        aggregation: Whether the logits are aggregated.
        sigma: Standard deviation of the aggregation's Gaussian, cells.
        patch: Pixels a side of a cell.
        embedding_channels: Length of the vectors by which cells are compared.
        annotation_channels: Channels of the annotation head's hidden layers.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        base: NetworkFactory,
        aggregation: bool = True,
        sigma: float = 6.0,
        patch: int = 4,
        embedding_channels: int = 64,
        annotation_channels: int = 64,
    ) -> None:
        super().__init__()
        network = base(num_classes, in_channels)
        if not isinstance(network, SemanticNetwork):
            raise ConfigError(
                f"network.base: {type(network).__name__} has no with_semantic_map(image), which "
                "the annotation head reads; take a network of scribbleseg.networks"
            )
        if isinstance(network, AnnotationNetwork):
            raise ConfigError(
                f"network.base: {type(network).__name__} aggregates and has an annotation head "
                "already; give it as the network itself"
            )
        self.base = network
        self.semantic_channels = network.semantic_channels
        self.patch = patch
        self.aggregation = (
            LocalAggregation(in_channels, embedding_channels, sigma=sigma, patch=patch)
            if aggregation
            else None
        )
        self.annotation_head = pixel_classifier(
            self.semantic_channels, annotation_channels, num_classes + 1
        )

    def with_semantic_map(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Aggregated logits at the image's size, and the semantic map of the base."""
        logits, semantic = self.base.with_semantic_map(image)
        return self._aggregate(logits, image), semantic

    def with_annotation(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B, num_classes, H, W)``, and annotation logits with a channel more."""
        logits, semantic = self.with_semantic_map(image)
        annotation = self.annotation_head(semantic.detach())
        size = image.shape[-2:]
        return logits, F.interpolate(annotation, size=size, mode="bilinear", align_corners=False)

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` at the image's size, whatever it is."""
        return self._aggregate(self.base(image), image)

    def _aggregate(self, logits: Tensor, image: Tensor) -> Tensor:
        if self.aggregation is None:
            return logits
        means = cell_means(logits, self.patch)
        change = self.aggregation(means, image) - means
        enlarged = F.interpolate(
            change, scale_factor=self.patch, mode="bilinear", align_corners=False
        )
        return logits + crop_like(enlarged, image)


def cell_means(logits: Tensor, cell: int) -> Tensor:
    """Mean over each square cell; those at the right and bottom may reach beyond the map.

    Args:
        logits: ``(B, K, H, W)``.
        cell: Pixels a side.

    Returns:
        ``(B, K, ceil(H / cell), ceil(W / cell))``.

    >>> cell_means(torch.tensor([[[[1.0, 3.0, 8.0]]]]), 2)
    tensor([[[[2., 8.]]]])
    """
    inside = pad_to_multiple(torch.ones_like(logits[:1, :1]), cell)
    total = F.avg_pool2d(pad_to_multiple(logits, cell), cell)
    return total / F.avg_pool2d(inside, cell)

"""Tree energy loss: soft pseudo labels that follow the picture and what the network makes of it.

Liang et al., "Tree Energy Loss: Towards Sparsely Annotated Semantic Segmentation", CVPR 2022,
arXiv 2203.10739. The prediction is averaged along the minimum spanning tree of the picture, then
along that of a learned embedding; where nothing is drawn, the prediction shall be what comes out.

| hyper-parameter | published | here |
| --- | --- | --- |
| weight of the tree energy | 0.4, no ramp-up (LTF 0.6) | 0.4, no ramp-up |
| sigma | 0.02 (Cityscapes, ADE20K 0.002), colours in 0..1 | 0.02 |
| embedding | 256 channels: 1x1 convolution, batch norm, ReLU | the same |
| where | scores of the head, at 1/4 of the input's size | logits averaged over the semantic map |
| picture | before colour jitter | after it |
| target | not detached | not detached |

The embedding learns from this loss alone, and is used in training only.
"""

from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from scribbleseg.data.sample import Batch
from scribbleseg.errors import ConfigError
from scribbleseg.losses import partial_cross_entropy, tree_energy_loss
from scribbleseg.methods.base import SegmentationTask, Terms
from scribbleseg.networks.semantic_map import SemanticNetwork

__all__ = ["TreeEnergy"]


class TreeEnergy(SegmentationTask):
    """Partial cross entropy and the tree energy of the pixels without a stroke.

    Args:
        tree_weight: Weight of the tree energy, 0 or more.
        sigma: Squared difference of neighbours at which their affinity in the picture is 1/e, on
            the 0..1 scale; squares are summed over the channels.
        embedding_channels: Channels of the embedding; 0 for the tree of the picture alone.
        detach_target: Let the pseudo label be a constant; the embedding stays as it was drawn then.
        harness: Options of `SegmentationTask`. The network has a semantic map (all of
            `scribbleseg.networks`), best one that is fine enough for the strokes.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags"})
    needs: ClassVar[frozenset[str]] = frozenset({"scribble"})

    def __init__(
        self,
        *,
        tree_weight: float = 0.4,
        sigma: float = 0.02,
        embedding_channels: int = 256,
        detach_target: bool = False,
        **harness: Any,
    ) -> None:
        super().__init__(**harness)
        if min(tree_weight, embedding_channels) < 0 or sigma <= 0:
            raise ConfigError(
                f"model: tree_weight {tree_weight} and embedding_channels {embedding_channels} "
                f"must be 0 or more, sigma {sigma} above 0"
            )
        if not isinstance(self.net, SemanticNetwork):
            raise ConfigError(
                f"model.network: {type(self.net).__name__} has no with_semantic_map(image), which "
                "the tree energy works on; take a network of scribbleseg.networks"
            )
        self.tree_weight, self.sigma, self.detach_target = tree_weight, sigma, detach_target
        self.embedding = (
            nn.Sequential(
                nn.Conv2d(self.net.semantic_channels, embedding_channels, 1, bias=False),
                nn.BatchNorm2d(embedding_channels),
                nn.ReLU(inplace=True),
            ).requires_grad_(not detach_target)
            if embedding_channels
            else None
        )

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """Cross entropy over the strokes, tree energy over what is neither drawn nor padding."""
        assert isinstance(self.net, SemanticNetwork)
        logits, features = self.net.with_semantic_map(batch["image"])
        energy = tree_energy_loss(
            F.interpolate(logits, features.shape[-2:], mode="area"),
            batch["normalise"].undo(batch["image"]),
            (batch["scribble"] == self.ignore_index) & batch["valid"],
            None if self.embedding is None else self.embedding(features),
            sigma=self.sigma,
            detach_target=self.detach_target,
        )
        terms = {
            "partial_ce": partial_cross_entropy(
                logits, batch["scribble"], ignore_index=self.ignore_index
            ),
            "tree_energy": self.tree_weight * energy,
        }
        return terms, logits

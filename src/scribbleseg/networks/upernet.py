"""The network of BLPSeg: UPerNet on any encoder, with local aggregation and an annotation head.

Wang et al., "BLPSeg: Balance the Label Preference in Scribble-Supervised Semantic Segmentation",
IEEE TIP 2023. UPerNet: Xiao et al., "Unified Perceptual Parsing", ECCV 2018: pyramid pooling of the
deepest map and a feature pyramid. It differs from the usual one in three places: no ReLU behind the
pooled maps, a 1x1 convolution where they are fused, and two hidden layers in the heads.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scribbleseg.errors import ConfigError
from scribbleseg.networks.aggregation import LocalAggregation
from scribbleseg.networks.annotation_network import pixel_classifier
from scribbleseg.networks.aspp import conv_norm_relu, initialise_convolutions
from scribbleseg.networks.weights import build_encoder

__all__ = ["AggregatedUPerNet", "FeaturePyramid", "PyramidPooling"]

LEVELS = 4
"""Encoder maps that are used, the deepest ones: strides 4, 8, 16 and 32 as a rule."""


class AggregatedUPerNet(nn.Module):
    """UPerNet with local aggregation of its logits and an annotation head; pictures of any size.

    Behind the pooling to one cell the batch norm sees one value a picture: training needs two
    pictures a batch. A picture whose finest map has more than about 200 x 200 cells takes long,
    because the aggregation compares all pairs of them.

    Args:
        num_classes: Classes predicted, background included.
        in_channels: Channels of the image.
        encoder: Encoder of segmentation_models_pytorch, or ``tu-<name>`` for one of timm.
        weights: Encoder weights: none, imagenet, or a file.
        channels: Channels of the decoder, the heads and the embedding.
        aggregation: Whether the logits are aggregated.
        sigma: Standard deviation of the aggregation's Gaussian, cells of 4 pixels.
        dropout: Rate at which whole channels of the pooled map are dropped.
        norm_momentum: Weight of a new batch in the running statistics of the decoder's batch norms;
            0.001 in the published runs, which have tens of thousands of steps to forget the start.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        encoder: str = "tu-resnet101s",
        weights: str = "none",
        channels: int = 256,
        aggregation: bool = True,
        sigma: float = 6.0,
        dropout: float = 0.1,
        norm_momentum: float = 0.1,
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder, weights, in_channels)
        *finer, deepest = list(self.encoder.out_channels)[-LEVELS:]  # type: ignore[arg-type]
        self.semantic_channels = channels
        self.pooling = PyramidPooling(deepest, channels, dropout=dropout)
        self.decoder = FeaturePyramid(finer, channels)
        self.classifier = pixel_classifier(channels, channels, num_classes)
        self.annotation_head = pixel_classifier(channels, channels, num_classes + 1)
        for part in (self.pooling, self.decoder, self.classifier, self.annotation_head):
            initialise_convolutions(part)
            for module in part.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = norm_momentum
        self.aggregation = (
            LocalAggregation(in_channels, channels, sigma=sigma) if aggregation else None
        )

    def features(self, image: Tensor) -> list[Tensor]:
        """The decoder's map, then the encoder's four.

        Args:
            image: ``(B, in_channels, H, W)`` float, any size.

        Returns:
            The first has ``channels`` channels and the size of the encoder's finest one, a quarter
            of the image's as a rule.
        """
        *finer, deepest = self.encoder(image)[-LEVELS:]
        return [self.decoder(finer, self.pooling(deepest)), *finer, deepest]

    def head(self, features: list[Tensor]) -> Tensor:
        """Logits ``(B, num_classes, h, w)`` from the decoder's map, before they are aggregated."""
        logits: Tensor = self.classifier(features[0])
        return logits

    def with_semantic_map(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at the image's size, and the decoder's map ``(B, channels, h, w)``."""
        features = self.features(image)
        logits = self.head(features)
        if self.aggregation is not None:
            logits = self.aggregation(logits, image)
        return _resize(logits, image), features[0]

    def with_annotation(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B, num_classes, H, W)``, and annotation logits with a channel more."""
        logits, semantic = self.with_semantic_map(image)
        return logits, _resize(self.annotation_head(semantic.detach()), image)

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` at the image's size, whatever it is."""
        return self.with_semantic_map(image)[0]


class PyramidPooling(nn.Module):
    """A map joined with its means over 1, 4, 9 and 36 parts (Zhao et al., PSPNet, CVPR 2017).

    Args:
        in_channels: Channels of the map.
        channels: Channels of each mean, and of the result.
        dropout: Rate at which whole channels of the result are dropped.

    >>> PyramidPooling(6, 2).eval()(torch.zeros(1, 6, 3, 4)).shape
    torch.Size([1, 2, 3, 4])
    """

    bins = (1, 2, 3, 6)

    def __init__(self, in_channels: int, channels: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
            for _ in self.bins
        )
        self.fusion = conv_norm_relu(in_channels + len(self.bins) * channels, channels, 1)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, channels, h, w)`` from ``(B, in_channels, h, w)``.

        Raises:
            ConfigError: A single picture in training: its mean has no variance for a batch norm.
        """
        size = features.shape[-2:]
        # (SyncBatchNorm, which has the pictures of all devices, is no BatchNorm2d.)
        alone = any(isinstance(module, nn.BatchNorm2d) for module in self.branches.modules())
        if self.training and len(features) == 1 and alone:
            raise ConfigError(
                "data.batch_size: 1, but the batch norm behind the pyramid pooling needs two "
                "pictures at a time; set 2 or more, or on several devices sync_batchnorm"
            )
        pooled = [
            F.interpolate(
                branch(_mean_of_parts(features, parts)),
                size=size,
                mode="bilinear",
                align_corners=True,
            )
            for parts, branch in zip(self.bins, self.branches, strict=True)
        ]
        fused: Tensor = self.dropout(self.fusion(torch.cat([*pooled, features], dim=1)))
        return fused


class FeaturePyramid(nn.Module):
    """Maps of several sizes joined at the finest (Lin et al., FPN, CVPR 2017).

    Args:
        in_channels: Channels of the maps but for the coarsest, finest first.
        channels: Channels of the coarsest map, and of the result.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(conv_norm_relu(count, channels, 1) for count in in_channels)
        self.smoothing = nn.ModuleList(conv_norm_relu(channels, channels, 3) for _ in in_channels)
        self.fusion = conv_norm_relu((len(in_channels) + 1) * channels, channels, 3)

    def forward(self, finer: Sequence[Tensor], coarsest: Tensor) -> Tensor:
        """``(B, channels, h, w)`` at the size of the first map.

        Args:
            finer: ``(B, in_channels[i], h_i, w_i)``, finest first.
            coarsest: ``(B, channels, h', w')``.
        """
        maps = [lateral(one) for lateral, one in zip(self.laterals, finer, strict=True)]
        coarse_to_fine = [coarsest]
        for fine in reversed(maps):
            coarse_to_fine.append(fine + _resize(coarse_to_fine[-1], fine))
        *summed, _ = reversed(coarse_to_fine)
        maps = [smooth(one) for smooth, one in zip(self.smoothing, summed, strict=True)]
        joined = [_resize(one, maps[0]) for one in (*maps[1:], coarsest)]
        fused: Tensor = self.fusion(torch.cat([maps[0], *joined], dim=1))
        return fused


def _resize(features: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _mean_of_parts(features: Tensor, parts: int) -> Tensor:
    """Means over ``parts x parts`` rectangles."""
    if any(isinstance(side, torch.SymInt) for side in features.shape[-2:]):
        return _mean_by_products(features, parts)
    return F.adaptive_avg_pool2d(features, parts)


def _mean_by_products(features: Tensor, parts: int) -> Tensor:
    """The same for a graph that is recorded for any size, which has no adaptive pooling."""
    rows, columns = (_shares(side, parts, features) for side in features.shape[-2:])
    means: Tensor = rows @ features @ columns.mT
    return means


def _shares(side: int, parts: int, like: Tensor) -> Tensor:
    """``(parts, side)``: the share of each cell in the mean of each part; parts may overlap."""
    part = torch.arange(parts, device=like.device).unsqueeze(1)
    cell = torch.arange(side, device=like.device)
    inside = (cell >= part * side // parts) & (cell < ((part + 1) * side + parts - 1) // parts)
    return inside.to(like.dtype) / inside.sum(dim=1, keepdim=True)

"""SegFormer: a pyramid encoder, every map projected to one width, and one convolution over all.

Published with the encoders ``mit_b0 .. mit_b5`` (Xie et al., NeurIPS 2021). PFA (Chan et al., ICML
2024) changes two details, which are arguments: the last patch embedding does not halve the map
(``last_stride=1``, without the dilation that an output stride of 16 would bring), and whole
channels of the decoder's map are dropped (``dropout=0.1``, as in SegFormer's own code).
"""

from collections.abc import Sequence
from typing import Any, Literal

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from scribbleseg.errors import ConfigError
from scribbleseg.networks.aspp import initialise_convolutions
from scribbleseg.networks.encoder_decoder import EncoderDecoder
from scribbleseg.networks.weights import build_with_encoder

__all__ = ["Segformer"]


class Segformer(EncoderDecoder):
    """SegFormer's decoder on any encoder of four scales from 1/4 on.

    Args:
        num_classes: Classes predicted, background included.
        in_channels: Channels of the image.
        encoder: Encoder of segmentation_models_pytorch, or ``tu-<name>`` for one of timm.
        weights: Encoder weights: none, imagenet, or a file.
        decoder_channels: Channels to which every encoder map is projected.
        last_stride: Stride of the last patch embedding: 2, or 1 as in PFA; 1 is for ``mit_b0 ..
            mit_b5``.
        dropout: Share of the channels of the decoder's map that are dropped in training.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        encoder: str = "mit_b1",
        weights: str = "none",
        decoder_channels: int = 256,
        last_stride: Literal[1, 2] = 2,
        dropout: float = 0.0,
    ) -> None:
        model: Any = build_with_encoder(
            smp.Segformer,
            encoder,
            weights,
            in_channels,
            classes=num_classes,
            decoder_segmentation_channels=decoder_channels,
        )
        if last_stride == 1:
            if not hasattr(model.encoder, "patch_embed4"):
                raise ConfigError(
                    f"network: last_stride 1 is for the encoders mit_b0 .. mit_b5, not {encoder!r}"
                )
            model.encoder.patch_embed4.proj.stride = (1, 1)
        # As in the published code: projections and classifier keep torch's start, the fusion does
        # not.
        for projection in model.decoder.mlp_stage:
            projection.linear.reset_parameters()
        initialise_convolutions(model.decoder.fuse_stage)
        model.segmentation_head[0].reset_parameters()
        super().__init__(
            model, stride=16 if last_stride == 1 else 32, decoder_channels=decoder_channels
        )
        self.dropout = nn.Dropout2d(dropout)

    def decode_features(self, maps: Sequence[Tensor]) -> Tensor:
        """The decoder's output, of which channels are dropped, from the encoder's maps."""
        decoded: Tensor = self.dropout(super().decode_features(maps))
        return decoded

"""U-Net and DeepLabV3+ decoders on any encoder of segmentation_models_pytorch or timm.

The decoders are those of segmentation_models_pytorch, the modern forms. Its DeepLabV3+ is not the
network of the published scribble methods (separable convolutions, other rates, no multi-grid);
networks that reproduce a paper are separate classes.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from scribbleseg.networks.padding import check_divisible, crop_like, pad_to_multiple
from scribbleseg.networks.semantic_map import cells_of_image
from scribbleseg.networks.weights import build_with_encoder

__all__ = ["DeepLabV3Plus", "EncoderDecoder", "UNet"]


class EncoderDecoder(nn.Module):
    """The split into features and head that all networks here share.

    Args:
        model: Encoder, decoder and head of segmentation_models_pytorch.
        stride: Pixels that must divide the picture's sides inside; `forward` pads to it.
        decoder_channels: Channels of the decoder's map where that is the semantic map; None for the
            encoder's deepest map.
    """

    def __init__(
        self, model: smp.base.SegmentationModel, stride: int, decoder_channels: int | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.classifier = (
            model.encoder,
            model.decoder,
            model.segmentation_head,
        )
        self.stride = stride
        self.semantic_position = -1 if decoder_channels is None else 0
        self.semantic_channels: int = decoder_channels or model.encoder.out_channels[-1]

    def features(self, image: Tensor) -> list[Tensor]:
        """The decoder's output, which `head` classifies, then the encoder's maps, finest first.

        Args:
            image: ``(B, in_channels, H, W)`` float; H and W multiples of ``self.stride``.
        """
        maps = self.encode(image)
        # Transformer encoders have no map at half resolution and leave an empty one in its place.
        return [self.decode_features(maps), *(m for m in maps[1:] if m.shape[1] > 0)]

    def head(self, features: list[Tensor]) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` from the decoder's output."""
        logits: Tensor = self.classifier(features[0])
        return logits

    def encode(self, image: Tensor) -> list[Tensor]:
        """The image itself, then the encoder's maps, finest first.

        Args:
            image: ``(B, in_channels, H, W)`` float; H and W multiples of ``self.stride``.
        """
        check_divisible(image, self.stride)
        maps: list[Tensor] = self.encoder(image)
        return maps

    def decode_features(self, maps: Sequence[Tensor]) -> Tensor:
        """The decoder's output from the encoder's maps."""
        decoded: Tensor = self.decoder(maps)
        return decoded

    def decode(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` from the encoder's maps; see `DecodingNetwork`."""
        return self.head([self.decode_features(maps)])

    def with_semantic_map(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at the image's size, and the semantic map.

        That is the decoder's map where it is a quarter of the image's size (DeepLabV3+, SegFormer),
        else the encoder's deepest map (U-Net, whose decoder ends at the full size).
        """
        padded = pad_to_multiple(image, self.stride)
        features = self.features(padded)
        semantic = cells_of_image(features[self.semantic_position], padded, image)
        return crop_like(self.head(features), image), semantic

    def split(self, image: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The semantic map, and the rest of the network; see `SplitNetwork`.

        Args:
            image: ``(B, in_channels, H, W)`` float; H and W multiples of ``self.stride``.
        """
        if self.semantic_position == 0:
            return self.features(image)[0], self.classifier[0]  # without its enlargement
        *finer, semantic = self.encode(image)

        def rest(changed: Tensor) -> Tensor:
            return self.decode([*finer, changed])

        return semantic, rest

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` at the image's size, whatever it is."""
        return crop_like(self.head(self.features(pad_to_multiple(image, self.stride))), image)


class UNet(EncoderDecoder):
    """U-Net decoder (Ronneberger et al., MICCAI 2015).

    Args:
        num_classes: Classes predicted, background included.
        in_channels: Channels of the image.
        encoder: Encoder of segmentation_models_pytorch, or ``tu-<name>`` for one of timm.
        weights: Encoder weights: none, imagenet, or a file.
        decoder_channels: Channels of the five decoder levels, coarsest first.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        encoder: str = "resnet34",
        weights: str = "none",
        decoder_channels: Sequence[int] = (256, 128, 64, 32, 16),
    ) -> None:
        super().__init__(
            build_with_encoder(
                smp.Unet,
                encoder,
                weights,
                in_channels,
                classes=num_classes,
                decoder_channels=tuple(decoder_channels),
            ),
            stride=32,
        )


class DeepLabV3Plus(EncoderDecoder):
    """DeepLabV3+ decoder (Chen et al., ECCV 2018), with separable convolutions.

    Args:
        num_classes: Classes predicted, background included.
        in_channels: Channels of the image.
        encoder: Encoder of segmentation_models_pytorch, or ``tu-<name>`` for one of timm.
        weights: Encoder weights: none, imagenet, or a file.
        output_stride: Stride of the encoder's last map.
        atrous_rates: Dilations of the ASPP branches; (6, 12, 18) at stride 16, (12, 24, 36) at
            stride 8.
        decoder_channels: Channels of the ASPP and the decoder.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        encoder: str = "resnet50",
        weights: str = "none",
        output_stride: Literal[8, 16] = 16,
        atrous_rates: tuple[int, int, int] = (6, 12, 18),
        decoder_channels: int = 256,
    ) -> None:
        super().__init__(
            build_with_encoder(
                smp.DeepLabV3Plus,
                encoder,
                weights,
                in_channels,
                classes=num_classes,
                encoder_output_stride=output_stride,
                decoder_atrous_rates=atrous_rates,
                decoder_channels=decoder_channels,
            ),
            stride=16,
            decoder_channels=decoder_channels,
        )

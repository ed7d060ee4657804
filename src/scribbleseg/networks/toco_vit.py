"""The network of ToCo: a vision transformer, two classifiers of its patches, a small decoder.

L. Ru et al., "Token Contrast for Weakly-Supervised Semantic Segmentation", CVPR 2023, arXiv
2303.01267. The projection heads of its class tokens take part in training only and belong to the
method, see `ProjectionHead`.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from scribbleseg.errors import ConfigError
from scribbleseg.networks.padding import check_divisible, crop_like, pad_to_multiple
from scribbleseg.networks.vision_transformer import Tokens, tokens_of, vision_transformer

__all__ = ["ToCoViT"]


class ToCoViT(nn.Module):
    """Class tokens, class activation maps and logits from one vision transformer.

    Pictures of any size are padded to whole patches.

    Args:
        num_classes: Classes predicted, background included; at least 2.
        in_channels: Channels of the image.
        encoder: Vision transformer of timm with a class token: ViT, DeiT, DINOv2, DINOv3.
        weights: Encoder weights: none, imagenet (those published for the name), or a file.
        aux_block: Block whose patches give the auxiliary map, counted from 0 or, if negative, from
            the last; published: the tenth of twelve.
        decoder_channels: Channels of the decoder.
        img_size: Side in pixels for which the position embedding is made. None, here and below, is
            the value of the name, which published weights need.
        patch_size: Side of a patch in pixels.
        embed_dim: Length of a token.
        depth: Blocks.
        num_heads: Heads of every block; they divide ``embed_dim``.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        encoder: str = "vit_base_patch16_224.orig_in21k_ft_in1k",
        weights: str = "none",
        aux_block: int = -3,
        decoder_channels: int = 512,
        img_size: int | None = None,
        patch_size: int | None = None,
        embed_dim: int | None = None,
        depth: int | None = None,
        num_heads: int | None = None,
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ConfigError(
                f"ToCoViT: {num_classes} class; it needs the background and one class more"
            )
        self.encoder = vision_transformer(
            encoder,
            weights,
            in_channels,
            img_size=img_size,
            patch_size=patch_size,
            embed_dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
        )
        blocks = len(self.encoder.blocks)
        if not -blocks <= aux_block < blocks:
            raise ConfigError(
                f"ToCoViT.aux_block: {aux_block}; {encoder} has {blocks} blocks, so -{blocks} to "
                f"{blocks - 1}"
            )
        self.aux_block = aux_block % blocks
        self.stride: int = self.encoder.patch_embed.patch_size[0]
        channels: int = self.encoder.embed_dim
        self.semantic_channels = channels
        self.classifier = nn.Conv2d(channels, num_classes - 1, 1, bias=False)
        self.aux_classifier = nn.Conv2d(channels, num_classes - 1, 1, bias=False)
        # "LargeFOV", after the head of the first DeepLab.
        self.decoder = nn.Sequential(
            nn.Conv2d(channels, decoder_channels, 3, padding=5, dilation=5, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(decoder_channels, decoder_channels, 3, padding=5, dilation=5, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(decoder_channels, num_classes, 1, bias=False),
        )

    def tokens(self, image: Tensor) -> Tokens:
        """Class token and patches.

        Args:
            image: ``(B, in_channels, H, W)`` float, any size.

        Returns:
            Tokens of ``ceil(H / stride)`` by ``ceil(W / stride)`` patches.
        """
        return tokens_of(self.encoder, pad_to_multiple(image, self.stride), self.aux_block)

    def classify(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Two logits ``(B, num_classes - 1)`` of each class but the background.

        They are those of the largest values of the patches, and of the auxiliary patches.
        """
        return (
            self.classifier(F.adaptive_max_pool2d(tokens.patches, 1)).flatten(1),
            self.aux_classifier(F.adaptive_max_pool2d(tokens.aux_patches, 1)).flatten(1),
        )

    def activation_maps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The raw maps ``(B, num_classes - 1, h, w)`` of both classifiers, one value a patch.

        Args:
            image: ``(B, in_channels, H, W)`` float. Where ``stride`` does not divide H or W the
                last patches reach beyond the image.
        """
        tokens = self.tokens(image)
        return self.classifier(tokens.patches), self.aux_classifier(tokens.aux_patches)

    def segment(self, patches: Tensor) -> Tensor:
        """Logits ``(B, num_classes, h, w)``, one vector a patch, of `Tokens.patches`."""
        logits: Tensor = self.decoder(patches)
        return logits

    def upsample(self, logits: Tensor, image: Tensor) -> Tensor:
        """Logits at the size of an image.

        Args:
            logits: ``(B, num_classes, h, w)``, one vector a patch.
            image: ``(B, in_channels, H, W)``, of which the patches are.

        Returns:
            ``(B, num_classes, H, W)``.
        """
        # Not by a factor: a size is what can be written as ONNX.
        whole = [self.stride * side for side in logits.shape[-2:]]
        enlarged = F.interpolate(logits, whole, mode="bilinear", align_corners=False)
        return crop_like(enlarged, image)

    def features(self, image: Tensor) -> list[Tensor]:
        """The patches, then the auxiliary patches.

        Args:
            image: ``(B, in_channels, H, W)`` float; H and W multiples of ``self.stride``.
        """
        check_divisible(image, self.stride)
        return list(self.tokens(image)[1:])

    def head(self, features: list[Tensor]) -> Tensor:
        """Logits ``(B, num_classes, h, w)``, one vector a patch."""
        return self.segment(features[0])

    def with_semantic_map(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits at the image's size, and the patches."""
        patches = self.tokens(image).patches
        return self.upsample(self.segment(patches), image), patches

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` at the image's size, whatever it is."""
        return self.with_semantic_map(image)[0]

"""Vision transformers of timm, with the tokens of the last and of one earlier block.

Plain ViT, DeiT, DINOv2 (all with a learned position embedding) and DINOv3 (rotary). Pictures of
any size go in; the learned embedding of patches is resized to their grid.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import timm
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from scribbleseg.networks.weights import build_with_encoder

__all__ = ["Tokens", "tokens_of", "vision_transformer"]


class Tokens(NamedTuple):
    """What a vision transformer says about images, ``h`` by ``w`` patches each."""

    class_token: Tensor
    """``(B, D)``, after the last norm."""
    patches: Tensor
    """``(B, D, h, w)``, after the last norm."""
    aux_patches: Tensor
    """``(B, D, h, w)``, of an earlier block, not normalised."""


def vision_transformer(encoder: str, weights: str, in_channels: int, **sizes: int | None) -> Any:
    """A vision transformer with a class token and without a classifier.

    A position embedding that comes with weights is not trained further, as published; a random one
    is.

    Args:
        encoder: Name of timm.
        weights: As for `build_with_encoder`; ``imagenet`` stands for the published ones.
        in_channels: Channels of the picture.
        sizes: ``img_size``, ``patch_size``, ``embed_dim``, ``depth`` or ``num_heads`` where they
            are not those of the name.

    Raises:
        ConfigError: There is no such network, it has no class token, or sizes do not fit.
        CheckpointError: The weights cannot be had or belong to another network.
    """
    given = {name: size for name, size in sizes.items() if size is not None}
    name = f"tu-{encoder.removeprefix('tu-')}"
    vit = build_with_encoder(class_token_vit, name, weights, in_channels, **given).encoder
    if vit.pos_embed is not None and weights != "none":
        vit.pos_embed.requires_grad = False
    return vit


def tokens_of(vit: Any, image: Tensor, aux_block: int) -> Tokens:
    """Run a `vision_transformer`.

    A learned position embedding is resized by bicubic interpolation without antialiasing, as
    published; timm itself would smooth it where the picture is smaller than the one it was trained
    with. Other kinds of positions are left to timm.

    Args:
        vit: The network.
        image: ``(B, C, H, W)`` float; the patch size divides H and W.
        aux_block: Number of the block that `Tokens.aux_patches` come from.
    """
    if type(vit) is VisionTransformer and vit.pos_embed is not None:
        embedded, height = _embedded(vit, image)
        aux = vit.blocks[: aux_block + 1](embedded)
        last = vit.norm(vit.blocks[aux_block + 1 :](aux))
        aux_map = _as_map(aux[:, vit.num_prefix_tokens :], height)
    else:
        last, (aux_map,) = vit.forward_intermediates(image, indices=[aux_block])
        height = aux_map.shape[-2]
    return Tokens(last[:, 0], _as_map(last[:, vit.num_prefix_tokens :], height), aux_map)


def class_token_vit(
    encoder_name: str,
    in_channels: int,
    encoder_weights: bool | None,
    pretrained_cfg_overlay: dict[str, Any] | None = None,
    **sizes: int,
) -> SimpleNamespace:
    """What `build_with_encoder` makes."""
    if pretrained_cfg_overlay is not None:
        # Some names come with a loader of their own for files of another kind.
        pretrained_cfg_overlay = {**pretrained_cfg_overlay, "custom_load": False}
    try:
        vit = timm.create_model(
            encoder_name.removeprefix("tu-"),
            pretrained=bool(encoder_weights),
            pretrained_cfg_overlay=pretrained_cfg_overlay,
            in_chans=in_channels,
            num_classes=0,
            global_pool="token",
            dynamic_img_size=True,
            **sizes,
        )
    except AssertionError as error:
        raise ValueError(str(error)) from None
    except TypeError as error:
        raise ValueError(f"{error}; take a ViT, DeiT, DINOv2 or DINOv3 of timm") from None
    if vit.cls_token is None:
        raise ValueError("it has no class token")
    return SimpleNamespace(encoder=vit)


def _embedded(vit: Any, image: Tensor) -> tuple[Tensor, int]:
    """The tokens that go into the first block, and the number of rows of patches."""
    patches = vit.patch_embed(image)
    images, height, width, _ = patches.shape
    learned = 0 if vit.no_embed_class else vit.num_prefix_tokens
    grid = _as_map(vit.pos_embed[:, learned:], vit.patch_embed.grid_size[0])
    resized = F.interpolate(grid, size=(height, width), mode="bicubic", align_corners=False)
    prefix = vit.cls_token
    if vit.reg_token is not None:
        prefix = torch.cat([prefix, vit.reg_token], dim=1)
    if learned:
        prefix = prefix + vit.pos_embed[:, :learned]
    patches = (patches + resized.permute(0, 2, 3, 1)).flatten(1, 2)
    tokens = torch.cat([prefix.expand(images, -1, -1), patches], dim=1)
    return vit.norm_pre(vit.patch_drop(vit.pos_drop(tokens))), height


def _as_map(tokens: Tensor, height: int) -> Tensor:
    """``(B, h * w, D)`` as ``(B, D, h, w)``."""
    images, _, channels = tokens.shape
    return tokens.reshape(images, height, -1, channels).permute(0, 3, 1, 2)

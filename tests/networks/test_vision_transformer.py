from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F

from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.networks.vision_transformer import tokens_of, vision_transformer

SMALL: dict[str, Any] = {"img_size": 32, "embed_dim": 24, "depth": 3, "num_heads": 2}
PLAIN: dict[str, Any] = {**SMALL, "patch_size": 8}
KINDS = {
    "plain": "vit_tiny_patch16_224",
    "class token without position": "deit3_small_patch16_224",
    "two class tokens": "deit_tiny_distilled_patch16_224",
    "norm before the blocks": "vit_base_patch16_clip_224",
    "registers": "vit_small_patch14_reg4_dinov2",
    "rotary positions": "vit_small_patch16_dinov3",
}
every_kind = pytest.mark.parametrize("name", KINDS.values(), ids=KINDS)


def made(name: str, in_channels: int = 3, **sizes: Any) -> Any:
    torch.manual_seed(0)
    return vision_transformer(name, "none", in_channels, **sizes).eval()


@every_kind
def test_at_its_own_size_it_computes_what_timm_computes(name: str) -> None:
    vit = made(name, 1, **PLAIN)
    image = torch.randn(2, 1, 32, 32)
    with torch.inference_mode():
        tokens = tokens_of(vit, image, 1)
        whole = vit.forward_features(image)
        (aux,) = vit.forward_intermediates(image, indices=[1], intermediates_only=True)
    torch.testing.assert_close(tokens.class_token, whole[:, 0])
    patches = whole[:, vit.num_prefix_tokens :].transpose(1, 2).reshape(2, 24, 4, 4)
    torch.testing.assert_close(tokens.patches, patches)
    torch.testing.assert_close(tokens.aux_patches, aux)


@every_kind
def test_any_grid_of_patches(name: str) -> None:
    vit = made(name, **PLAIN)
    with torch.inference_mode():
        for height, width in ((1, 1), (3, 6), (7, 4)):
            tokens = tokens_of(vit, torch.randn(2, 3, 8 * height, 8 * width), 0)
            assert tokens.class_token.shape == (2, 24)
            assert tokens.patches.shape == tokens.aux_patches.shape == (2, 24, height, width)


def test_positions_are_resized_without_smoothing() -> None:
    """Bicubic interpolation as OpenCV and the published code do it, also for fewer patches."""
    vit = made("vit_tiny_patch16_224", **PLAIN)
    image = torch.randn(1, 3, 16, 24)
    grid = vit.pos_embed[:, 1:].reshape(1, 4, 4, 24).permute(0, 3, 1, 2)
    resized = F.interpolate(grid, (2, 3), mode="bicubic", antialias=False)
    with torch.inference_mode():
        found = tokens_of(vit, image, 0).patches
        smoothed = vit.forward_intermediates(image, indices=1, norm=True, intermediates_only=True)
        own = torch.cat([vit.pos_embed[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)
        fixed = vision_transformer("vit_tiny_patch16_224", "none", 3, **PLAIN).eval()
        state = {**vit.state_dict(), "pos_embed": own}
        fixed.pos_embed = torch.nn.Parameter(own)
        fixed.patch_embed.grid_size = (2, 3)  # timm resizes nothing
        fixed.load_state_dict(state)
        wanted = fixed.forward_intermediates(image, indices=1, norm=True, intermediates_only=True)
    torch.testing.assert_close(found, wanted[0])
    assert (found - smoothed[0]).abs().max() > 1e-3


@every_kind
def test_everything_is_trained(name: str) -> None:
    vit = made(name, **PLAIN).train()
    tokens = tokens_of(vit, torch.randn(2, 3, 32, 40), 0)
    sum(values.square().sum() for values in tokens).backward()
    assert all(p.grad is not None for p in vit.parameters())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_bse_patch16_224", "no encoder 'tu-vit_bse_patch16_224'; did you mean tu-vit_base"),
        ("hf-hub:somebody/vit", "no encoder"),
        ("vit_base_patch16_gap_224", "does not fit class_token_vit: .*class token"),
        ("convnext_tiny", "dynamic_img_size'; take a ViT, DeiT, DINOv2 or DINOv3 of timm"),
    ],
)
def test_other_networks_are_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        vision_transformer(name, "none", 3)


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="divisible by num_heads"):
        vision_transformer("vit_tiny_patch16_224", "none", 3, num_heads=5)


def test_a_file_as_its_authors_store_it(tmp_path: Path) -> None:
    theirs = timm.create_model("vit_tiny_patch16_224", num_classes=1000, **SMALL)
    torch.save({"model": theirs.state_dict()}, tmp_path / "w.pth")
    for channels in (3, 1):
        vit = vision_transformer(
            "tu-vit_tiny_patch16_224", str(tmp_path / "w.pth"), channels, **SMALL
        )
        own = vit.state_dict()
        assert [key for key, p in vit.named_parameters() if not p.requires_grad] == ["pos_embed"]
        wanted = {key: value for key, value in theirs.state_dict().items() if "head" not in key}
        assert own.keys() == wanted.keys()
        if channels == 1:
            stem = wanted["patch_embed.proj.weight"].sum(dim=1, keepdim=True)
            wanted["patch_embed.proj.weight"] = stem
        assert all(torch.equal(own[key], value) for key, value in wanted.items())


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    other = timm.create_model("vit_small_patch16_dinov3", num_classes=0, **SMALL)
    torch.save(other.state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w\.pth: .*pos_embed not found"):
        vision_transformer("vit_tiny_patch16_224", str(tmp_path / "w.pth"), 3, **SMALL)
    with pytest.raises(CheckpointError, match="not cached and cannot be downloaded"):
        vision_transformer("vit_tiny_patch16_224", "imagenet", 3)

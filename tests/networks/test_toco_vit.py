from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scribbleseg.errors import ConfigError
from scribbleseg.networks import ToCoViT
from scribbleseg.networks.semantic_map import SemanticNetwork

SMALL: dict[str, Any] = {
    "encoder": "vit_tiny_patch16_224",
    "img_size": 32,
    "patch_size": 8,
    "embed_dim": 24,
    "depth": 4,
    "num_heads": 2,
    "decoder_channels": 16,
}


@pytest.fixture(scope="module")
def net() -> ToCoViT:
    torch.manual_seed(0)
    return ToCoViT(5, 3, **SMALL).eval()


def test_the_published_network() -> None:
    with torch.device("meta"):
        net = ToCoViT(21)
        tokens = net.tokens(torch.zeros(2, 3, 448, 448))
    assert tokens.class_token.shape == (2, 768)
    assert tokens.patches.shape == tokens.aux_patches.shape == (2, 768, 28, 28)
    assert (net.aux_block, net.stride, net.semantic_channels) == (9, 16, 768)
    encoder = sum(p.numel() for p in net.encoder.parameters())
    assert encoder == 85_798_656  # ViT-B/16 without its classifier
    assert sum(p.numel() for p in net.decoder.parameters()) == 9 * 512 * (768 + 512) + 512 * 21
    assert [m.dilation for m in net.decoder if isinstance(m, nn.Conv2d)] == [(5, 5), (5, 5), (1, 1)]


@pytest.mark.parametrize("size", [(32, 32), (33, 50), (1, 1)])
@pytest.mark.parametrize("classes", [2, 5])
def test_logits_have_the_pictures_size(size: tuple[int, int], classes: int) -> None:
    net = ToCoViT(classes, 1, **SMALL).eval()
    with torch.inference_mode():
        image = torch.randn(2, 1, *size)
        assert net(image).shape == (2, classes, *size)
        assert [tuple(m.shape[:2]) for m in net.activation_maps(image)] == [(2, classes - 1)] * 2


def test_classification_is_the_largest_activation(net: ToCoViT) -> None:
    image = torch.randn(2, 3, 40, 24)
    with torch.inference_mode():
        tokens = net.tokens(image)
        logits = net.classify(tokens)
        maps = net.activation_maps(image)
        for found, patches, classifier in zip(
            logits, tokens[1:], (net.classifier, net.aux_classifier), strict=True
        ):
            wanted = patches.amax(dim=(-2, -1)) @ classifier.weight[:, :, 0, 0].T
            torch.testing.assert_close(found, wanted)
        for found, patches, classifier in zip(
            maps, tokens[1:], (net.classifier, net.aux_classifier), strict=True
        ):
            weight = classifier.weight[:, :, 0, 0]
            torch.testing.assert_close(found, torch.einsum("bdhw,kd->bkhw", patches, weight))


def test_the_parts_make_up_the_network(net: ToCoViT) -> None:
    assert isinstance(net, SemanticNetwork)
    image = torch.randn(1, 3, 40, 24)
    with torch.inference_mode():
        features = net.features(image)
        logits = net.head(features)
        assert logits.shape == (1, 5, 5, 3)
        enlarged = F.interpolate(logits, scale_factor=8, mode="bilinear", align_corners=False)
        torch.testing.assert_close(net(image), enlarged)
        torch.testing.assert_close(net.with_semantic_map(image)[1], features[0])
    with pytest.raises(ValueError, match="which 8 does not divide"):
        net.features(torch.zeros(1, 3, 40, 25))


def test_padding_is_cut_off_again(net: ToCoViT) -> None:
    image = torch.randn(1, 3, 37, 21)
    with torch.inference_mode():
        wanted = net(F.pad(image, (0, 3, 0, 3)))[..., :37, :21]
        torch.testing.assert_close(net(image), wanted)


@pytest.mark.parametrize("block", [-4, -1, 0, 3])
def test_the_auxiliary_block_can_be_any(block: int) -> None:
    torch.manual_seed(0)
    net = ToCoViT(3, aux_block=block, **SMALL).eval()
    image = torch.randn(1, 3, 16, 16)
    seen: list[torch.Tensor] = []
    net.encoder.blocks[block].register_forward_hook(lambda *values: seen.append(values[2]))
    with torch.inference_mode():
        aux = net.tokens(image).aux_patches
    torch.testing.assert_close(aux.flatten(2).transpose(1, 2), seen[0][:, 1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"aux_block": 4}, "aux_block: 4; vit_tiny_patch16_224 has 4 blocks, so -4 to 3"),
        ({"aux_block": -5}, "aux_block: -5"),
        ({"num_classes": 1}, "1 class; it needs the background and one class more"),
    ],
)
def test_impossible_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ToCoViT(**{"num_classes": 2, **SMALL, **arguments})


def test_every_weight_gets_a_gradient() -> None:
    net = ToCoViT(3, **SMALL)
    tokens = net.tokens(torch.randn(2, 3, 32, 32))
    terms = [tokens.class_token, *net.classify(tokens), net.segment(tokens.patches)]
    torch.stack([term.square().mean() for term in terms]).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_channels_last_half_and_double_precision(net: ToCoViT) -> None:
    image = torch.randn(2, 3, 40, 33)
    with torch.inference_mode():
        wanted = net(image)
        other = ToCoViT(5, 3, **SMALL).eval().to(memory_format=torch.channels_last)
        other.load_state_dict(net.state_dict())
        last = image.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(other(last), wanted)
        with torch.autocast("cpu", torch.bfloat16):
            half = other(last)
            assert all(
                torch.isfinite(logits).all() for logits in other.classify(other.tokens(last))
            )
        assert half.dtype == torch.bfloat16
        torch.testing.assert_close(half.float(), wanted, rtol=0.1, atol=0.02)
        double = other.double()(image.double())
        torch.testing.assert_close(double.float(), wanted)

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scribbleseg.networks import (
    DeepLabV3Plus,
    MultiGridDeepLab,
    PlainDeepLab,
    PlainUNet,
    Segformer,
    ToCoViT,
    UNet,
)
from scribbleseg.networks.semantic_map import SemanticNetwork, SplitNetwork, cells_of_image

sides = st.integers(1, 200)


@given(height=sides, width=sides, stride=st.sampled_from([8, 16, 32]), halvings=st.integers(0, 3))
def test_every_cell_that_is_kept_sees_the_image(
    height: int, width: int, stride: int, halvings: int
) -> None:
    scale = 2**halvings
    whole = [-(-side // stride) * stride for side in (height, width)]
    cells = torch.zeros(1, 1, *(side // scale for side in whole))
    kept = cells_of_image(cells, torch.zeros(1, 1, *whole), torch.zeros(1, 1, height, width))
    for side, found in zip((height, width), kept.shape[-2:], strict=True):
        assert (found - 1) * scale < side <= found * scale


CASES: list[tuple[Any, dict[str, Any], int, int, tuple[int, int]]] = [
    # network, arguments, channels and index in `features` of its map, cells at 49x70 pixels
    (PlainUNet, {"widths": (2, 4, 6, 8, 10)}, 6, 2, (13, 18)),
    (PlainUNet, {"widths": (2, 4)}, 4, 1, (25, 35)),
    (UNet, {"encoder": "resnet18"}, 512, -1, (2, 3)),
    (DeepLabV3Plus, {"encoder": "tu-test_resnet", "decoder_channels": 16}, 16, 0, (13, 18)),
    (Segformer, {"encoder": "mit_b0", "decoder_channels": 24}, 24, 0, (13, 18)),
    (MultiGridDeepLab, {"depth": 50, "head": "v2"}, 2048, -1, (7, 9)),
    (PlainDeepLab, {"encoder": "tu-test_resnet", "channels": 16}, 16, 0, (13, 18)),
    (ToCoViT, {"encoder": "test_vit", "decoder_channels": 16}, 64, 0, (4, 5)),
]


@pytest.mark.parametrize(
    ("network", "arguments", "channels", "index", "cells"),
    CASES,
    ids=[f"{case[0].__name__}-{case[2]}" for case in CASES],
)
def test_logits_are_the_networks_own_and_the_map_is_where_it_should_be(
    network: Any, arguments: dict[str, Any], channels: int, index: int, cells: tuple[int, int]
) -> None:
    net = network(5, 3, **arguments).eval()
    assert isinstance(net, SemanticNetwork)
    assert net.semantic_channels == channels
    image = torch.randn(2, 3, 49, 70)
    with torch.inference_mode():
        logits, semantic = net.with_semantic_map(image)
        assert torch.equal(logits, net(image))
        assert semantic.shape == (2, channels, *cells)
        divisible = torch.randn(1, 3, 64, 96)
        wanted = net.features(divisible)[index]
        torch.testing.assert_close(net.with_semantic_map(divisible)[1], wanted, rtol=0, atol=0)


SPLIT = [case for case in CASES if hasattr(case[0], "split")]


@pytest.mark.parametrize(
    ("network", "arguments", "index"),
    [(case[0], case[1], case[3]) for case in SPLIT],
    ids=[f"{case[0].__name__}-{case[2]}" for case in SPLIT],
)
def test_a_network_goes_on_from_its_map(
    network: Any, arguments: dict[str, Any], index: int
) -> None:
    net = network(5, 3, **arguments).eval()
    assert isinstance(net, SplitNetwork)
    image = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        semantic, rest = net.split(image)
        assert torch.equal(semantic, net.features(image)[index])
        logits = rest(semantic)
        large = torch.nn.functional.interpolate(
            logits, image.shape[-2:], mode="bilinear", align_corners=True
        )
        torch.testing.assert_close(large, net(image), rtol=1e-5, atol=1e-6)
        assert not torch.allclose(rest(semantic + 1), logits)
        assert torch.equal(rest(semantic), logits)


@pytest.mark.parametrize("network", [PlainUNet, UNet, Segformer])
def test_split_refuses_a_size_that_does_not_divide(network: Any) -> None:
    net = network(2, 3)
    with pytest.raises(ValueError, match=f"which {net.stride} does not divide"):
        net.split(torch.zeros(1, 3, net.stride + 1, 64))


def test_the_map_has_a_gradient_of_its_own() -> None:
    net = PlainUNet(3, 1, widths=(2, 4, 8))
    _, semantic = net.with_semantic_map(torch.randn(2, 1, 8, 8))
    semantic.square().mean().backward()
    assert net.encoder[0][0].weight.grad is not None
    assert net.classifier.weight.grad is None


def test_a_network_without_it_is_noticed() -> None:
    assert not isinstance(torch.nn.Conv2d(3, 2, 1), SemanticNetwork)


def test_the_small_acdc_setting_has_a_map_of_32x32() -> None:
    net = PlainUNet(4, 1, widths=(8, 16, 32, 64, 128))
    assert net.with_semantic_map(torch.zeros(1, 1, 128, 128))[1].shape == (1, 32, 32, 32)

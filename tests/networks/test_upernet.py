from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.golden_cases import Case, golden
from torch import Tensor, nn

from scribbleseg.errors import ConfigError
from scribbleseg.exchange.checkpoint_layouts.blpseg import LAYOUT
from scribbleseg.networks import AggregatedUPerNet, upernet
from scribbleseg.networks.annotation_network import AnnotationNetwork
from scribbleseg.networks.semantic_map import SemanticNetwork
from scribbleseg.networks.upernet import FeaturePyramid, PyramidPooling

CLOSE = {"rtol": 1e-9, "atol": 1e-12}


class GivenMaps(nn.Module):
    """An encoder whose maps are given, to reproduce what follows it."""

    def __init__(self, maps: list[Tensor]) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, image: Tensor) -> list[Tensor]:
        return [image, *self.maps]


@lru_cache(maxsize=2)
def read(path: Path, prefix: str) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return {
            key.removeprefix(prefix): arrays[key] for key in arrays.files if key.startswith(prefix)
        }


def arrays_of(case: Case) -> dict[str, Any]:
    """All arrays of a case, read at once: there are hundreds."""
    assert case.path is not None
    return read(case.path, case.prefix)


def load(module: nn.Module, case: Case, place: str) -> None:
    """The golden weights below ``place``, by our names."""
    state = {}
    for key in case:
        if key.startswith(f"{place}/sd/"):
            (ours,) = LAYOUT.our_names(f"{place}.{key.removeprefix(f'{place}/sd/')}")
            assert isinstance(ours, str)
            state[ours.split(".", 1)[1]] = torch.tensor(case[key])
    module.load_state_dict(state)


@golden("blpseg", "modules")
def test_golden_pooling_and_pyramid(case: Case) -> None:
    features = torch.tensor(case["ppm/x"])
    pooling = PyramidPooling(features.shape[1], case["ppm/out"].shape[1]).double().eval()
    load(pooling, case, "ppm")
    torch.testing.assert_close(pooling(features), torch.tensor(case["ppm/out"]), **CLOSE)
    *finer, coarsest = (torch.tensor(case[f"decoder/in{level}"]) for level in range(4))
    decoder = FeaturePyramid([one.shape[1] for one in finer], coarsest.shape[1]).double().eval()
    load(decoder, case, "decoder")
    joined = decoder(finer, coarsest)
    torch.testing.assert_close(joined, torch.tensor(case["decoder/out"]), **CLOSE)


def golden_network(arrays: dict[str, Any]) -> AggregatedUPerNet:
    """The network of a case, with its encoder's maps in the encoder's place."""
    maps = [torch.tensor(arrays[f"feat{level}"]) for level in range(4)]
    *finer, deepest = (one.shape[1] for one in maps)
    num_classes, channels, *_ = arrays["sd/seg_head.4.weight"].shape
    net = AggregatedUPerNet(
        num_classes, encoder="tu-test_resnet", channels=channels, sigma=float(arrays["sigma"])
    )
    net.encoder = GivenMaps(maps)
    net.pooling = PyramidPooling(deepest, channels, dropout=0.0)
    net.decoder = FeaturePyramid(finer, channels)
    net.double()
    state = {}
    for key in arrays:
        if key.startswith("sd/"):
            (ours,) = LAYOUT.our_names(key.removeprefix("sd/"))
            if isinstance(ours, str):
                state[ours] = torch.tensor(arrays[key])
    net.load_state_dict(state)
    return net


@golden("blpseg", "network")
def test_golden_inference(case: Case) -> None:
    arrays = arrays_of(case)
    net = golden_network(arrays).eval()
    logits = net(torch.tensor(arrays["x"]))
    torch.testing.assert_close(logits, torch.tensor(arrays["inference_logits"]), **CLOSE)


def test_the_published_size() -> None:
    with torch.device("meta"):
        net = AggregatedUPerNet(21)
        count = sum(p.numel() for p in net.parameters())
        net.aggregation = None  # the device without values knows no autocast
        logits, annotation = net.with_annotation(torch.zeros(2, 3, 384, 384))
        features = net.features(torch.zeros(2, 3, 384, 384))
    assert count / 1e6 == pytest.approx(50.45, abs=0.005)
    assert logits.shape == (2, 21, 384, 384)
    assert annotation.shape == (2, 22, 384, 384)
    assert [tuple(one.shape[1:]) for one in features] == [
        (256, 96, 96), (256, 96, 96), (512, 48, 48), (1024, 24, 24), (2048, 12, 12)
    ]  # fmt: skip


@pytest.mark.parametrize("encoder", ["tu-test_resnet", "resnet18", "mit_b0", "tu-test_convnext"])
@pytest.mark.parametrize("size", [(64, 64), (49, 70)])
def test_any_encoder_and_size(encoder: str, size: tuple[int, int]) -> None:
    net = AggregatedUPerNet(5, encoder=encoder, channels=8).eval()
    assert isinstance(net, AnnotationNetwork)
    assert isinstance(net, SemanticNetwork)
    image = torch.randn(2, 3, *size)
    with torch.inference_mode():
        logits, semantic = net.with_semantic_map(image)
        assert torch.equal(logits, net(image))
        assert torch.equal(logits, net.with_annotation(image)[0])
    assert logits.shape == (2, 5, *size)
    assert semantic.shape[1] == net.semantic_channels == 8


@pytest.mark.parametrize("grey", [False, True])
def test_without_aggregation_the_logits_are_those_of_the_head(grey: bool) -> None:
    net = AggregatedUPerNet(
        3, 1 if grey else 3, encoder="tu-test_resnet", channels=8, aggregation=False
    ).eval()
    image = torch.randn(1, 1 if grey else 3, 32, 40)
    with torch.inference_mode():
        expected = F.interpolate(net.head(net.features(image)), size=(32, 40), mode="bilinear")
        assert torch.equal(net(image), expected)
    assert net.aggregation is None


def make(**options: Any) -> AggregatedUPerNet:
    torch.manual_seed(0)
    return AggregatedUPerNet(3, encoder="tu-test_resnet", channels=16, **options)


def test_the_annotation_head_changes_nothing_else() -> None:
    net = make()
    _, annotation = net.with_annotation(torch.randn(2, 3, 64, 64))
    annotation.square().mean().backward()
    touched = {name for name, p in net.named_parameters() if p.grad is not None}
    assert touched == {
        f"annotation_head.{name}" for name, _ in net.annotation_head.named_parameters()
    }


def test_every_other_weight_gets_a_gradient_from_the_logits() -> None:
    net = make()
    net(torch.randn(2, 3, 64, 64)).square().mean().backward()
    untouched = [name for name, p in net.named_parameters() if p.grad is None]
    assert all(name.startswith("annotation_head") for name in untouched)


def test_the_decoder_starts_as_published() -> None:
    net = make(norm_momentum=0.001)
    momentum = {
        name: m.momentum for name, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)
    }
    for name, value in momentum.items():
        assert value == (0.1 if name.startswith("encoder") else 0.001)
    weight = net.decoder.fusion[0].weight
    assert weight.std().item() == pytest.approx((2 / (9 * 16)) ** 0.5, rel=0.05)
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout2d)] == [0.1]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (12, 12), (7, 13)])
def test_means_of_parts_are_those_of_torch(height: int, width: int) -> None:
    features = torch.randn(2, 3, height, width, dtype=torch.float64)
    for parts in PyramidPooling.bins:
        expected = F.adaptive_avg_pool2d(features, parts)
        torch.testing.assert_close(upernet._mean_by_products(features, parts), expected)


def test_a_single_picture_is_refused_in_training() -> None:
    with pytest.raises(ConfigError, match=r"data\.batch_size: 1"):
        PyramidPooling(6, 2)(torch.zeros(1, 6, 3, 4))

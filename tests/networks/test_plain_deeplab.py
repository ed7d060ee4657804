import json
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.golden_cases import FOLDER, Case, golden
from torch import Tensor, nn

from scribbleseg.errors import ConfigError
from scribbleseg.exchange.checkpoint_layouts.lpl import LAYOUT
from scribbleseg.networks import PlainDeepLab
from scribbleseg.networks.aspp import ASPP, conv_norm_relu


class GivenMaps(nn.Module):
    """An encoder whose maps are given, to reproduce what follows it."""

    def __init__(self, maps: list[Tensor]) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, image: Tensor) -> list[Tensor]:
        return [image, image, *self.maps]


def ours(key: str) -> str:
    (name,) = LAYOUT.our_names(key)
    assert isinstance(name, str)
    return name


def golden_head(case: Case) -> PlainDeepLab:
    """The network of a case, with its encoder's maps in the encoder's place."""
    low, high = torch.tensor(case["l1"]), torch.tensor(case["l4"])
    num_classes, channels, *_ = case["w.cls_conv.weight"].shape
    reduced = len(case["w.shortcut_conv.0.weight"])
    net = PlainDeepLab(
        num_classes,
        encoder="tu-test_resnet",
        channels=channels,
        shortcut_channels=reduced,
        dropout=0.0,
    )
    net.encoder = GivenMaps([low, low, high, high])
    pooled = bool(case["has_global"])
    net.aspp = ASPP(high.shape[1], channels, (0, 6, 12, 18), dropout=0.0, pooled=pooled)
    net.shortcut = conv_norm_relu(low.shape[1], reduced, 3)
    net.double().train(bool(case["training"]))
    state = {
        ours(key.removeprefix("w.")): torch.tensor(case[key]) for key in case if key[:2] == "w."
    }
    counters = {key: torch.tensor(3) for key in net.state_dict() if key.endswith("_tracked")}
    net.load_state_dict({**state, **counters})
    return net


@golden("lpl", "head")
def test_golden_head(case: Case) -> None:
    net = golden_head(case)
    image = torch.zeros(len(case["l1"]), 3, case["height"], case["width"], dtype=torch.float64)
    logits, feature = net.with_semantic_map(image)
    close: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-8}
    torch.testing.assert_close(feature, torch.tensor(case["feature"]), **close)
    torch.testing.assert_close(logits, torch.tensor(case["logits"]), **close)
    after = net.state_dict()
    if not case["training"]:
        pooled = net.aspp(torch.tensor(case["l4"]))
        torch.testing.assert_close(pooled, torch.tensor(case["aspp_out"]), **close)
    checked = [key for key in case if key.startswith("after.")]
    assert bool(checked) == bool(case["training"])
    for key in checked:
        wanted = torch.tensor(case[key])
        torch.testing.assert_close(after[ours(key.removeprefix("after."))], wanted, **close)


@cache  # the two networks have most of their names in common
def fill(key: str, shape: tuple[int, ...]) -> Tensor:
    """The weights of the golden networks: every tensor is a function of its published name."""
    g = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if key.endswith("running_var"):
        return torch.from_numpy(0.5 + g.random(shape))
    if key.endswith("running_mean") or key.endswith("bias"):
        return torch.from_numpy(0.1 * g.standard_normal(shape))
    if len(shape) == 4:
        return torch.from_numpy(g.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:])))
    return torch.from_numpy(0.3 + 0.4 * g.random(shape))


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    yield
    fill.cache_clear()


@golden("lpl", "net")
def test_golden_network(case: Case) -> None:
    listing = json.loads((FOLDER / f"lpl/state_dict_{case['backbone']}.json").read_text())
    with torch.device("meta"):
        net = PlainDeepLab(21, encoder=f"tu-{case['backbone']}s")
    state = {
        ours(entry["key"]): fill(entry["key"], tuple(entry["shape"]))
        for entry in listing["entries"]
    }
    net.load_state_dict(state, assign=True)
    net.double().eval()
    image = torch.tensor(case["image"])
    with torch.inference_mode():
        feature, *maps = net.features(image)
        logits = net(image)
    close: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-8}
    for level, (found, every) in enumerate(zip(maps, (16, 32, 64, 128), strict=True), start=1):
        torch.testing.assert_close(found[:, ::every], torch.tensor(case[f"l{level}"]), **close)
    torch.testing.assert_close(feature[:, ::16], torch.tensor(case["feature"]), **close)
    torch.testing.assert_close(logits, torch.tensor(case["logits"]), **close)


def test_the_published_crop() -> None:
    with torch.device("meta"):
        net = PlainDeepLab(21, encoder="tu-resnet50s")
        feature, *maps = net.features(torch.zeros(2, 3, 384, 384))
        logits = net(torch.zeros(2, 3, 384, 384))
    assert [tuple(one.shape[1:]) for one in maps] == [
        (256, 96, 96), (512, 48, 48), (1024, 48, 48), (2048, 48, 48)
    ]  # fmt: skip
    assert feature.shape == (2, 256, 96, 96)
    assert logits.shape == (2, 21, 384, 384)


@pytest.mark.parametrize(
    ("encoder", "stride"),
    [
        ("tu-test_resnet", 8),
        ("tu-test_resnet", 16),
        ("resnet18", 8),
        ("mit_b0", 32),
        ("tu-test_convnext", 32),
    ],
)
@pytest.mark.parametrize("size", [(64, 64), (49, 70)])
def test_any_encoder_and_size(encoder: str, stride: Any, size: tuple[int, int]) -> None:
    net = PlainDeepLab(5, 1, encoder=encoder, output_stride=stride, channels=8).eval()
    image = torch.randn(2, 1, *size)
    with torch.inference_mode():
        features = net.features(image)
        logits = net(image)
        enlarged = F.interpolate(net.head(features), size, mode="bilinear", align_corners=True)
        assert torch.equal(logits, enlarged)
    assert logits.shape == (2, 5, *size)
    assert features[0].shape[-2:] == features[1].shape[-2:]
    if "resnet" in encoder:
        assert features[-1].shape[-2:] == tuple(-(-side // stride) for side in size)


def test_an_encoder_that_cannot_be_dilated_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"encoder 'densenet121' does not fit: .* dilated mode"):
        PlainDeepLab(3, encoder="densenet121")


def test_every_weight_gets_a_gradient() -> None:
    net = PlainDeepLab(3, encoder="tu-test_resnet", channels=8)
    net(torch.randn(2, 3, 33, 33)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_everything_behind_the_encoder_starts_as_torch_has_it() -> None:
    net = PlainDeepLab(3, encoder="tu-test_resnet", channels=64)
    for module in (m for part in (net.aspp, net.shortcut, net.fusion) for m in part.modules()):
        if isinstance(module, nn.Conv2d):
            bound = (module.in_channels * module.kernel_size[0] ** 2) ** -0.5
            largest = module.weight.abs().max().item()
            assert largest == pytest.approx(bound, rel=0.02)
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.5]

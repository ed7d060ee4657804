from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scribbleseg.networks import MultiGridDeepLab

HEADS: tuple[Literal["v2", "v3plus"], ...] = ("v2", "v3plus")
every_head = pytest.mark.parametrize("head", HEADS)


@pytest.fixture(scope="module")
def nets() -> dict[str, MultiGridDeepLab]:
    torch.manual_seed(0)
    return {head: MultiGridDeepLab(5, depth=50, head=head).eval() for head in HEADS}


@every_head
@pytest.mark.parametrize("size", [(1, 1), (33, 18)])
def test_logits_have_the_pictures_size(nets: Any, head: str, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert nets[head](torch.randn(2, 3, *size)).shape == (2, 5, *size)


@every_head
def test_features_and_head_make_up_the_network(nets: Any, head: str) -> None:
    net, image = nets[head], torch.randn(1, 3, 64, 49)
    with torch.inference_mode():
        features = net.features(image)
        before = [f.clone() for f in features]
        logits = net.head(features)
        enlarged = F.interpolate(logits, size=(64, 49), mode="bilinear", align_corners=True)
        assert torch.equal(enlarged, net(image))
    assert all(map(torch.equal, features, before))
    assert [f.shape[1] for f in features] == [256, 512, 1024, 2048]
    assert logits.shape[-2:] == features[-1 if head == "v2" else 0].shape[-2:]
    assert (logits < 0).any()


@pytest.mark.parametrize(("head", "side"), [("v2", 59), ("v3plus", 117)])
def test_the_published_crop(head: Literal["v2", "v3plus"], side: int) -> None:
    with torch.device("meta"):
        net = MultiGridDeepLab(21, depth=101, head=head)
        image = torch.zeros(2, 3, 465, 465)
        assert net.head(net.features(image)).shape == (2, 21, side, side)
        logits, semantic = net.with_semantic_map(image)
    assert (logits.shape, semantic.shape) == ((2, 21, 465, 465), (2, 2048, 59, 59))


@pytest.mark.parametrize(
    ("depth", "head", "millions"),
    # those of the published files without the rectification's 8.39 million
    [(50, "v2", 24.76), (50, "v3plus", 40.35), (101, "v2", 43.75), (101, "v3plus", 59.34)],
)
def test_parameters_are_as_many_as_published(
    depth: Literal[50, 101], head: Literal["v2", "v3plus"], millions: float
) -> None:
    with torch.device("meta"):
        net = MultiGridDeepLab(21, depth=depth, head=head)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


def test_grey_pictures_and_the_other_stride_have_the_same_weights() -> None:
    with torch.device("meta"):
        wanted = MultiGridDeepLab(3, 3, depth=50).state_dict()
        grey = MultiGridDeepLab(3, 1, depth=50, stride_on="middle").state_dict()
    assert grey.keys() == wanted.keys()
    changed = [key for key in wanted if grey[key].shape != wanted[key].shape]
    assert changed == ["encoder.conv1.weight"]


@every_head
def test_heads_start_as_published(nets: Any, head: str) -> None:
    net = nets[head]
    parts = [net.aspp] if net.decoder is None else [net.aspp, net.decoder]
    for module in (module for part in parts for module in part.modules()):
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            expected = (2 / (module.kernel_size[0] ** 2 * module.out_channels)) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.05)
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()


@every_head
def test_every_weight_gets_a_gradient(nets: Any, head: str) -> None:
    net = nets[head].train()
    try:
        torch.manual_seed(0)
        net(torch.randn(2, 3, 33, 33)).square().mean().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
    finally:
        net.zero_grad()
        net.eval()


def test_only_the_plus_head_drops_values(nets: Any) -> None:
    rates = {
        head: [m.p for m in net.modules() if isinstance(m, nn.Dropout)]
        for head, net in nets.items()
    }
    assert rates == {"v2": [], "v3plus": [0.5]}

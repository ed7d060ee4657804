import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scribbleseg.networks.aspp import ASPP, initialise_convolutions


def test_it_is_five_branches_and_a_fusion() -> None:
    torch.manual_seed(0)
    aspp = ASPP(6, 2, (12, 18, 24)).double().eval()
    features = torch.randn(2, 6, 15, 30, dtype=torch.float64)

    def norm(values: torch.Tensor) -> torch.Tensor:
        return values / (1 + 1e-5) ** 0.5

    kernels = [branch[0].weight for branch in aspp.branches]
    maps = [F.conv2d(features, kernels[0])] + [
        F.conv2d(features, kernel, padding=rate, dilation=rate)
        for kernel, rate in zip(kernels[1:], (12, 18, 24), strict=True)
    ]
    pooled = F.conv2d(F.adaptive_avg_pool2d(features, 1), aspp.pooled[0].weight)
    maps.append(pooled.expand(-1, -1, 15, 30))
    joined = torch.cat([F.relu(norm(m)) for m in maps], dim=1)
    wanted = norm(F.conv2d(joined, aspp.fusion[0].weight))
    torch.testing.assert_close(aspp(features), wanted)
    assert (aspp(features) < 0).any()


def test_the_published_start() -> None:
    torch.manual_seed(0)
    aspp = ASPP(256, 64, (6,))
    initialise_convolutions(aspp)
    for conv in (module for module in aspp.modules() if isinstance(module, nn.Conv2d)):
        area = conv.kernel_size[0] * conv.kernel_size[1]
        assert conv.weight.std().item() == pytest.approx((2 / (area * 64)) ** 0.5, rel=0.03)
        assert abs(conv.weight.mean().item()) < 0.005


def test_biases_keep_their_start() -> None:
    conv = nn.Conv2d(4, 3, 1)
    bias = conv.bias
    assert bias is not None
    before = bias.detach().clone()
    initialise_convolutions(conv)
    assert torch.equal(bias, before)

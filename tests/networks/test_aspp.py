import pytest
import torch
import torch.nn.functional as F
from tests.golden_cases import Case, golden
from torch import nn

from scribbleseg.networks.aspp import ASPP, initialise_convolutions

CLOSE = {"rtol": 1e-9, "atol": 1e-12}
NAMES = {
    **{f"branch{n + 1}.": f"branches.{n}." for n in range(4)},
    "branch5_conv.": "pooled.0.",
    "branch5_bn.": "pooled.1.",
    "conv_cat.": "fusion.",
}


@golden("blpseg", "aspp")
def test_golden_pooling_of_blpseg(case: Case) -> None:
    x = torch.tensor(case["x"], requires_grad=True)
    aspp = ASPP(
        x.shape[1],
        case["out"].shape[1],
        case["rate"].tolist(),
        pooled=case["has_global"],
        dropout=0.0,
    )
    aspp.double().train(case["train_mode"])
    state = {}
    for key in case:
        if key.startswith("sd/"):
            name = key.removeprefix("sd/")
            theirs = next(theirs for theirs in NAMES if name.startswith(theirs))
            state[NAMES[theirs] + name.removeprefix(theirs)] = torch.tensor(case[key])
    aspp.load_state_dict(state)
    out = aspp(x)
    torch.testing.assert_close(out, torch.tensor(case["out"]), **CLOSE)
    (gradient,) = torch.autograd.grad(out, x, torch.tensor(case["upstream"]))
    torch.testing.assert_close(gradient, torch.tensor(case["grad_x"]), **CLOSE)


def test_values_are_dropped_behind_the_last_relu() -> None:
    torch.manual_seed(0)
    aspp = ASPP(6, 8, (0, 2), dropout=0.5)
    features = torch.randn(2, 6, 9, 9)
    aspp.eval()
    whole = aspp(features)
    assert (whole >= 0).all()
    aspp.train()
    for norm in (module for module in aspp.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.eval()
    dropped = aspp(features)
    kept = dropped > 0
    torch.testing.assert_close(dropped[kept], 2 * whole[kept])
    assert kept.sum() / (whole > 0).sum() == pytest.approx(0.5, abs=0.1)


def test_it_is_five_branches_and_a_fusion() -> None:
    torch.manual_seed(0)
    aspp = ASPP(6, 2, (0, 12, 18, 24)).double().eval()
    features = torch.randn(2, 6, 15, 30, dtype=torch.float64)

    def norm(values: torch.Tensor) -> torch.Tensor:
        return values / (1 + 1e-5) ** 0.5

    kernels = [branch[0].weight for branch in aspp.branches]
    maps = [F.conv2d(features, kernels[0])] + [
        F.conv2d(features, kernel, padding=rate, dilation=rate)
        for kernel, rate in zip(kernels[1:], (12, 18, 24), strict=True)
    ]
    assert aspp.pooled is not None
    pooled = F.conv2d(F.adaptive_avg_pool2d(features, 1), aspp.pooled[0].weight)
    maps.append(pooled.expand(-1, -1, 15, 30))
    joined = torch.cat([F.relu(norm(m)) for m in maps], dim=1)
    wanted = norm(F.conv2d(joined, aspp.fusion[0].weight))
    torch.testing.assert_close(aspp(features), wanted)
    assert (aspp(features) < 0).any()


def test_the_published_start() -> None:
    torch.manual_seed(0)
    aspp = ASPP(256, 64, (0, 6))
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

from typing import Literal

import numpy as np
import pytest
import torch
from tests.golden_cases import Case, golden
from torch import nn

from scribbleseg.errors import ConfigError
from scribbleseg.methods import Optimization, learning_rate_factor


@golden("cdsp", "lr")
def test_warmup_and_cosine_of_cdsp(case: Case) -> None:
    total = case["epochs"] * case["iters_per_epoch"]
    inside = case["steps"] < total  # the reference jumps back to the base rate after the end
    ours = [
        case["base_lr"]
        * learning_rate_factor(
            int(step),
            total,
            schedule="cosine",
            warmup_steps=case["warmup_epochs"] * case["iters_per_epoch"],
        )
        for step in case["steps"][inside]
    ]
    np.testing.assert_allclose(ours, case["lr"][inside], rtol=1e-9, atol=1e-12)


@golden("baselines", "ramp")
def test_poly_of_wsl4mis(case: Case) -> None:
    """The rate assigned after step i is ours in step i: the reference lags by one step."""
    ours = [
        case["base_lr"]
        * learning_rate_factor(int(step), case["max_iterations"], schedule="poly", power=0.9)
        for step in case["iteration"]
    ]
    np.testing.assert_allclose(ours, case["lr_after_step"], rtol=1e-9, atol=1e-12)
    used = [
        case["base_lr"]
        * learning_rate_factor(max(int(step) - 1, 0), case["max_iterations"], schedule="poly")
        for step in case["iteration"]
    ]
    np.testing.assert_allclose(used, case["lr_used"], rtol=1e-9, atol=1e-12)


@golden("lpl", "lr_stage2")
def test_poly_of_lpl(case: Case) -> None:
    """It divides by 1e-5 steps more than there are."""
    net = nn.ModuleList(nn.Linear(1, 1) for _ in case["rates"])
    options = Optimization(
        optimizer="sgd",
        lr=case["base_lr"],
        power=case["power"],
        lr_multipliers={str(index): rate for index, rate in enumerate(case["rates"])},
    )
    optimizer, schedule = options.build(net, case["max_iter"] + 1e-5)
    found = [
        [
            rate * factor(int(step))
            for rate, factor in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
        ]
        for step in case["iteration"]
    ]
    places = [
        next(
            index
            for index, group in enumerate(optimizer.param_groups)
            if any(parameter is part.weight for parameter in group["params"])
        )
        for part in net
    ]
    np.testing.assert_allclose(np.array(found)[:, places], case["group_lr"], rtol=1e-9, atol=1e-9)


def test_further_modules_have_a_schedule_of_their_own_and_the_same_rest() -> None:
    first, second = (nn.ModuleDict({"net": nn.Linear(1, 1)}) for _ in range(2))
    options = Optimization(lr=1.0, lr_multipliers={"net.bias": 10}, schedule="linear")
    optimizer, schedule = options.build(first, 4, (second, "constant"))
    optimizer.step()
    schedule.step()
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert [rates[id(p)] for p in first.parameters()] == [0.75, 7.5]
    assert [rates[id(p)] for p in second.parameters()] == [1.0, 10.0]


@pytest.mark.parametrize("schedule", ["constant", "poly", "linear", "cosine"])
def test_warmup_rises_to_one_and_the_end_stays(schedule: str) -> None:
    def factor(step: int) -> float:
        return learning_rate_factor(step, 10, schedule=schedule, warmup_steps=4, warmup_start=0.2)  # type: ignore[arg-type]

    assert [factor(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factor(10) == factor(50) == (1.0 if schedule == "constant" else 0.0)
    assert factor(6) >= factor(9)


def test_a_tenth_after_each_third() -> None:
    found = [learning_rate_factor(step, 9, schedule="step") for step in range(11)]
    assert found == pytest.approx([1.0] * 3 + [0.1] * 3 + [0.01] * 5)
    assert learning_rate_factor(8, 9, schedule="step", end_factor=0.5) == pytest.approx(0.505)


@pytest.mark.parametrize("step", [0, 1, 1499, 1500, 1501, 19999])
def test_warmup_and_poly_of_toco(step: int) -> None:
    warm, whole = 1500, 20000
    expected = 1 - (1 - step / warm) * (1 - 1e-6) if step < warm else (1 - step / whole) ** 0.9
    factor = learning_rate_factor(
        step, whole, schedule="poly", warmup_steps=warm, warmup_start=1e-6, decay_from_start=True
    )
    assert factor == pytest.approx(expected, rel=1e-9)


def test_groups_by_longest_prefix_and_by_decay() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1))
    options = Optimization(
        optimizer="sgd",
        lr=0.1,
        weight_decay=0.01,
        lr_multipliers={"2": 10, "2.bias": 20},
        decay_norm_and_bias=False,
    )
    optimizer, schedule = options.build(net, total_steps=4)
    rates = {
        id(p): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert len(rates) == 6
    assert rates[id(net[0].weight)] == (0.1, 0.01)
    assert rates[id(net[0].bias)] == (0.1, 0.0)
    assert rates[id(net[1].weight)] == (0.1, 0.0)
    assert rates[id(net[2].weight)] == (1.0, 0.01)
    assert rates[id(net[2].bias)] == (2.0, 0.0)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.75**0.9)


def _filters() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(16, 8, 3, bias=False), nn.BatchNorm2d(8))
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter)
    return net


def test_muon_moves_filters_along_the_orthogonal_factor_and_norms_by_nadamw() -> None:
    net = _filters()
    before = [parameter.detach().clone() for parameter in net.parameters()]
    gradients = [parameter.grad for parameter in net.parameters()]
    optimizer, _ = Optimization(optimizer="muon", lr=0.1, weight_decay=0.0).build(net, 4)
    optimizer.step()
    moved = [b - p.detach() for b, p in zip(before, net.parameters(), strict=True)]
    u, _, vh = torch.linalg.svd(gradients[0].flatten(1), full_matrices=False)
    filters = moved[0].flatten(1) / (0.1 * 0.2 * 144**0.5)
    # Five Newton-Schulz steps leave singular values near 1, and bfloat16 their directions.
    assert torch.linalg.svdvals(filters).sub(1).abs().max() < 0.35
    assert torch.cosine_similarity(filters.flatten(), (u @ vh).flatten(), dim=0) > 0.98
    # The look ahead of AdamW's first step adds most of a second one.
    torch.testing.assert_close(moved[1], 0.19 * gradients[1].sign(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.95])
def test_muon_remembers_earlier_gradients_by_its_momentum(momentum: float) -> None:
    net = _filters()
    options = Optimization(optimizer="muon", lr=0.1, momentum=momentum, weight_decay=0.0)
    optimizer, _ = options.build(net, 4)
    first = net[0].weight.grad.flatten(1)
    second = torch.randn_like(first)
    optimizer.step()
    before = net[0].weight.detach().clone()
    net[0].weight.grad = second.view_as(before)
    optimizer.step()
    moved = (before - net[0].weight.detach()).flatten(1)

    def likeness(m: float) -> float:
        # Nesterov: (1 - m) g2 + m v2, with v2 = m v1 + (1 - m) g2 and v1 = (1 - m) g1.
        u, _, vh = torch.linalg.svd((1 + m) * second + m**2 * first, full_matrices=False)
        return torch.cosine_similarity(moved.flatten(), (u @ vh).flatten(), dim=0).item()

    assert likeness(momentum) > 0.98
    assert likeness(momentum) == max(likeness(m) for m in (0.0, 0.5, 0.95))


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_sgd_remembers_earlier_gradients_by_its_momentum(momentum: float) -> None:
    net = _filters()
    options = Optimization(optimizer="sgd", lr=0.1, momentum=momentum, weight_decay=0.0)
    optimizer, _ = options.build(net, 4)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    optimizer.step()
    optimizer.step()
    for old, new in zip(before, net.parameters(), strict=True):
        torch.testing.assert_close(old - new, 0.1 * (2 + momentum) * new.grad)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_moments_decay_at_the_given_rates(optimizer: Literal["adamw", "muon"]) -> None:
    net = _filters()
    options = Optimization(optimizer=optimizer, lr=0.1, betas=(0.5, 0.75), weight_decay=0.0)
    found, _ = options.build(net, 4)
    found.step()
    state = found.state[net[1].weight]  # a norm: AdamW's in Muon, too
    gradient = net[1].weight.grad
    torch.testing.assert_close(state["exp_avg"], 0.5 * gradient)
    torch.testing.assert_close(state["exp_avg_sq"], 0.25 * gradient**2)


def test_muon_decays_weights_and_follows_the_schedule_with_all_parameters() -> None:
    net = _filters()
    options = Optimization(optimizer="muon", lr=0.1, weight_decay=0.5, schedule="linear")
    optimizer, schedule = options.build(net, 1)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    optimizer.step()
    schedule.step()  # the end, where the rate is 0
    after = [parameter.detach().clone() for parameter in net.parameters()]
    plain = _filters()
    undecaying, _ = Optimization(optimizer="muon", lr=0.1, weight_decay=0.0).build(plain, 1)
    undecaying.step()
    for old, new, undecayed in zip(before, after, plain.parameters(), strict=True):
        torch.testing.assert_close(new, undecayed - 0.1 * 0.5 * old)
    optimizer.step()
    assert all(torch.equal(p, new) for p, new in zip(net.parameters(), after, strict=True))


def test_muon_goes_on_from_its_state_to_the_last_bit() -> None:
    nets = [_filters(), _filters()]
    options = Optimization(optimizer="muon", lr=0.1)
    whole, stopped = (options.build(net, 4)[0] for net in nets)
    whole.step()
    stopped.step()
    continued, _ = options.build(nets[1], 4)
    continued.load_state_dict(stopped.state_dict())
    whole.step()
    continued.step()
    assert all(torch.equal(a, b) for a, b in zip(*(n.parameters() for n in nets), strict=True))


def test_a_star_stands_for_anything() -> None:
    net = nn.ModuleDict(
        {"encoder": nn.ModuleDict({"norm1": nn.LayerNorm(2), "fc": nn.Linear(2, 2)})}
    )
    options = Optimization(lr=1.0, lr_multipliers={"encoder": 0.5, "encoder.*norm": 0})
    optimizer, _ = options.build(net, 1)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert [rates[id(p)] for p in net.parameters()] == [0, 0, 0.5, 0.5]
    with pytest.raises(ConfigError, match=r"no parameter starts with 'encoder\.\*bn'"):
        Optimization(lr_multipliers={"encoder.*bn": 0}).build(net, 1)


def test_a_rate_can_be_held_and_end_above_zero() -> None:
    found = [
        learning_rate_factor(step, 6, schedule="linear", hold_steps=2, end_factor=0.25)
        for step in range(8)
    ]
    assert found == pytest.approx([1, 1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25])
    warm = [learning_rate_factor(step, 9, schedule="poly", warmup_steps=4, hold_steps=2)
            for step in range(5)]  # fmt: skip
    assert warm == pytest.approx([0, 0, 0.5, 0.5, 1])


def test_frozen_parameters_are_left_out() -> None:
    net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    net[0].requires_grad_(False)
    optimizer, _ = Optimization().build(net, 1)
    assert isinstance(optimizer, torch.optim.AdamW)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2


def test_a_prefix_that_matches_nothing_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"lr_multipliers: no parameter starts with 'head'; parameters lie in 0"
    ):
        Optimization(lr_multipliers={"head": 10}).build(nn.Sequential(nn.Linear(1, 1)), 1)

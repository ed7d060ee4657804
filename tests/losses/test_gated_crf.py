import math
from typing import Any

import numpy as np
import pytest
import torch
from tests.golden_cases import Case, golden
from torch import Tensor

from scribbleseg.losses import PairKernel, gated_crf_loss


def arguments(case: Case) -> dict[str, Any]:
    kernels = [
        PairKernel(weight, *(None if math.isnan(sigma) else sigma for sigma in sigmas))
        for weight, *sigmas in case["kernels"].tolist()
    ]
    options: dict[str, Any] = {"kernels": kernels, "radius": case["radius"]}
    for name, gate in (("source", "mask_src"), ("destination", "mask_dst")):
        if gate in case:
            options[name] = torch.from_numpy(case[gate])[:, 0] == 1
    return options


@golden("baselines", "gated_crf")
@pytest.mark.parametrize("zero_padding", [False, True])
def test_matches_reference(case: Case, zero_padding: bool) -> None:
    logits = torch.from_numpy(case["logits"]).requires_grad_()
    loss = gated_crf_loss(
        logits, torch.from_numpy(case["image"]), zero_padding=zero_padding, **arguments(case)
    )
    loss.backward()
    expected = case["loss" if zero_padding else "loss_valid_pairs"]
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(logits.grad, case["grad"], rtol=1e-9, atol=1e-9)
    if zero_padding:
        np.testing.assert_allclose(loss.item(), case["loss_float32_mesh"], rtol=1e-6)


def test_hand_value() -> None:
    """Two pixels that surely disagree, one pixel apart, of one colour: each sees the other."""
    logits = torch.tensor([[[[50.0, -50.0]], [[-50.0, 50.0]]]])
    alike = gated_crf_loss(logits, torch.zeros(1, 1, 1, 2)).item()
    assert math.isclose(alike, math.exp(-0.5 / 36), rel_tol=1e-6)
    apart = gated_crf_loss(logits, torch.tensor([[[[0.0, 0.1]]]])).item()
    assert math.isclose(apart, math.exp(-0.5 / 36 - 0.5), rel_tol=1e-5)


def brute_force(
    prob: Tensor, image: Tensor, source: Tensor, destination: Tensor, radius: int
) -> Tensor:
    height, width = prob.shape[-2:]
    total = prob.new_zeros(())
    for y, x in np.ndindex(height, width):
        for v, u in np.ndindex(height, width):
            step = max(abs(y - v), abs(x - u))
            if 0 < step <= radius:
                color = (image[..., y, x] - image[..., v, u]).square().sum(dim=1)
                k = torch.exp(-0.5 * ((y - v) ** 2 + (x - u) ** 2) / 36 - 0.5 * color / 0.01)
                disagree = 1 - (prob[..., y, x] * prob[..., v, u]).sum(dim=1)
                total = total + (source[..., v, u] * destination[..., y, x] * k * disagree).sum()
    return total


@pytest.mark.parametrize("gates", ["none", "source", "destination", "both"])
def test_is_the_sum_over_all_pairs(gates: str) -> None:
    logits = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    image = 0.2 * torch.rand(2, 3, 4, 6, dtype=torch.float64)
    every = torch.ones(2, 4, 6, dtype=torch.bool)
    source, destination = (
        torch.rand(2, 4, 6) < 0.5 if gates in {name, "both"} else every
        for name in ("source", "destination")
    )
    loss = gated_crf_loss(
        logits,
        image,
        source=None if source is every else source,
        destination=None if destination is every else destination,
        radius=2,
    )
    count = source.sum() if gates == "source" else destination.sum()
    expected = brute_force(logits.softmax(dim=1), image, source.double(), destination.double(), 2)
    torch.testing.assert_close(loss, expected / count)


def test_a_cell_counts_if_all_of_its_pixels_do() -> None:
    logits, image = torch.randn(1, 3, 2, 3), torch.rand(1, 1, 4, 6)
    gate = torch.ones(1, 4, 6, dtype=torch.bool)
    gate[0, 0, 1] = False
    cells = torch.ones(1, 2, 3, dtype=torch.bool)
    cells[0, 0, 0] = False
    torch.testing.assert_close(
        gated_crf_loss(logits, image, source=gate),
        gated_crf_loss(logits, torch.nn.functional.avg_pool2d(image, 2), source=cells),
    )


def test_logits_that_do_not_fit_the_image_are_refused() -> None:
    with pytest.raises(ValueError, match="logits of 3x2 do not divide an image of 7x4"):
        gated_crf_loss(torch.zeros(1, 2, 2, 3), torch.zeros(1, 1, 4, 7))
    with pytest.raises(ValueError, match="3x2 do not divide an image of 9x4 by one whole number"):
        gated_crf_loss(torch.zeros(1, 2, 2, 3), torch.zeros(1, 1, 4, 9))


def test_the_image_gets_no_gradient() -> None:
    image = torch.rand(1, 1, 3, 4, requires_grad=True)
    gated_crf_loss(torch.randn(1, 2, 3, 4, requires_grad=True), image).backward()
    assert image.grad is None

import math

import pytest
import torch
from tests.golden_cases import Case, golden

from scribbleseg.losses import distance_entropy


@golden("cdsp", "entropy")
def test_golden(case: Case) -> None:
    logits = torch.tensor(case["logits"], requires_grad=True)
    distance = torch.tensor(case["distance_map"])
    before = distance.clone()
    loss = distance_entropy(logits, distance)
    loss.backward()
    assert torch.equal(distance, before)
    assert logits.grad is not None
    if math.isnan(case["loss"]):  # 0 / 0 in the published code
        assert loss.item() == 0
        assert (logits.grad == 0).all()
        return
    assert loss.item() == pytest.approx(case["loss"], rel=1e-9)
    torch.testing.assert_close(
        logits.grad, torch.tensor(case["grad_logits"]), rtol=1e-9, atol=1e-15
    )
    single = distance_entropy(logits.detach().float(), distance)
    assert single.item() == pytest.approx(case["loss"], rel=1e-4)


def test_the_divisor_counts_pixels_and_not_weights() -> None:
    logits = torch.zeros(1, 4, 1, 3)
    half = distance_entropy(logits, torch.tensor([[[51, 0, 0]]]))
    torch.testing.assert_close(half, torch.tensor(0.2 * math.log(4)))

import math

import numpy as np
import torch
from tests.golden_cases import Case, golden

from scribbleseg.losses import entropy_map, mean_entropy


def test_hand_values() -> None:
    certain = torch.tensor([[[[50.0]], [[0.0]]]])
    assert abs(entropy_map(certain).item() - (-1e-6)) < 1e-7  # eps inside the logarithm
    uniform = torch.zeros(1, 5, 1, 1)
    assert math.isclose(mean_entropy(uniform).item(), 1.0, abs_tol=1e-5)
    assert math.isclose(mean_entropy(uniform, normalised=False).item(), math.log(5), abs_tol=1e-5)


@golden("baselines", "entropy")
def test_matches_reference(case: Case) -> None:
    assert case["logits"].shape[1] == case["num_classes"]
    for normalised, name in ((True, ""), (False, "_unnormalised")):
        logits = torch.from_numpy(case["logits"]).requires_grad_()
        loss = mean_entropy(logits, normalised=normalised)
        loss.backward()
        np.testing.assert_allclose(loss.item(), case[f"loss{name}"], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(logits.grad, case[f"grad{name}"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        entropy_map(logits).detach(), case["entropy_map"], rtol=1e-9, atol=1e-9
    )


def test_padding_takes_no_part() -> None:
    logits = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    valid = torch.zeros(2, 4, 5, dtype=torch.bool)
    valid[:, :2, :3] = True
    torch.testing.assert_close(mean_entropy(logits, valid), mean_entropy(logits[:, :, :2, :3]))
    torch.testing.assert_close(mean_entropy(logits, torch.ones_like(valid)), mean_entropy(logits))

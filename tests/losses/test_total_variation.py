import numpy as np
import torch
from tests.golden_cases import Case, golden

from scribbleseg.losses import total_variation


@golden("baselines", "total_variation")
def test_matches_reference(case: Case) -> None:
    """The reference leaves out the first image, where it means the background.

    With one image it takes the mean of nothing, and has nothing to compare with.
    """
    for name, first, foreground_only in (("reference", 1, 0), ("all", 0, 0), ("foreground", 0, 1)):
        if first == len(case["logits"]):
            continue
        logits = torch.from_numpy(case["logits"]).requires_grad_()
        loss = total_variation(logits[first:], foreground_only=bool(foreground_only))
        loss.backward()
        np.testing.assert_allclose(loss.item(), case[f"loss_{name}"], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(logits.grad, case[f"grad_{name}"], rtol=1e-9, atol=1e-9)


def test_padding_is_like_what_lies_outside() -> None:
    logits = torch.randn(2, 3, 6, 7, dtype=torch.float64)
    valid = torch.zeros(2, 6, 7, dtype=torch.bool)
    valid[:, :4, :5] = True
    torch.testing.assert_close(
        total_variation(logits, valid), total_variation(logits[:, :, :4, :5])
    )


def test_a_smooth_outline_costs_less_than_a_rugged_one() -> None:
    smooth = torch.zeros(1, 2, 16, 16)
    smooth[:, 1, :8] = 20.0
    rugged = smooth.clone()
    rugged[:, 1, 8:12, ::4] = 20.0
    assert total_variation(rugged) > 1.5 * total_variation(smooth)

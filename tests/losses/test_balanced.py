import numpy as np
import pytest
import torch
from tests.golden_cases import Case, golden

from scribbleseg.losses import balanced_cross_entropy, partial_cross_entropy


@golden("cdsp", "toco_seg")
def test_matches_toco(case: Case) -> None:
    logits = torch.tensor(case["logits"], requires_grad=True)
    label = torch.tensor(case["label"]).long()
    loss = balanced_cross_entropy(logits, label)
    loss.backward()
    if np.isnan(case["loss"]):  # a half without pixels: 0 / 0 in the reference, 0 here
        assert torch.isfinite(loss)
        return
    np.testing.assert_allclose(loss.item(), case["loss"], rtol=1e-9)
    np.testing.assert_allclose(logits.grad, case["grad_logits"], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("present", [0, 2])
def test_a_half_without_pixels_is_nothing(present: int) -> None:
    logits = torch.randn(2, 3, 4, 5)
    label = torch.full((2, 4, 5), 255)
    label[:, :2] = present
    half = partial_cross_entropy(logits, label) / 2
    torch.testing.assert_close(balanced_cross_entropy(logits, label), half)


def test_other_ignore_values() -> None:
    logits = torch.randn(1, 3, 1, 3)
    label = torch.tensor([[[0, 2, 255]]])
    wanted = balanced_cross_entropy(logits, label)
    wide = torch.where(label == 255, 65535, label)
    assert torch.equal(balanced_cross_entropy(logits, wide, ignore_index=65535), wanted)

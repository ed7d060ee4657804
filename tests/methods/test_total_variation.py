import pytest
import torch
from tests.contracts.test_methods import make

from scribbleseg.losses import total_variation
from scribbleseg.methods import TotalVariation


@pytest.mark.parametrize("foreground_only", [True, False])
def test_outlines_have_their_weight_and_padding_none(foreground_only: bool) -> None:
    task = make(TotalVariation, variation_weight=0.5, foreground_only=foreground_only).eval()
    valid = torch.rand(2, 16, 16) < 0.8
    scribble = torch.full((2, 16, 16), 255)
    batch = {"image": torch.randn(2, 3, 16, 16), "scribble": scribble, "valid": valid}
    terms, logits = task.training_loss(batch)
    expected = 0.5 * total_variation(logits, valid, foreground_only=foreground_only)
    torch.testing.assert_close(terms["total_variation"], expected)
    assert terms["partial_ce"] == 0

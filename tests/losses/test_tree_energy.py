import numpy as np
import pytest
import torch
from tests.golden_cases import Case, golden

from scribbleseg.losses import tree_energy_loss, tree_filter


@golden("baselines", "tree_energy")
@pytest.mark.parametrize("guides", ["both", "low_only"])
def test_matches_reference(case: Case, guides: str) -> None:
    logits, high = (torch.from_numpy(case[name]).requires_grad_() for name in ("logits", "high"))
    loss = case["weight"] * tree_energy_loss(
        logits,
        torch.from_numpy(case["image"]),
        torch.from_numpy(case["unlabeled"]),
        high if guides == "both" else None,
        sigma=case["sigma"],
    )
    loss.backward()
    value, gradient = (
        ("loss", "grad_logits") if guides == "both" else ("loss_low_only", "grad_low_only")
    )
    np.testing.assert_allclose(loss.item(), case[value], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(logits.grad, case[gradient], rtol=1e-9, atol=1e-9)
    if guides == "both":
        np.testing.assert_allclose(high.grad, case["grad_high"], rtol=1e-9, atol=1e-9)


@golden("baselines", "tree_energy")
def test_pseudo_labels_match_reference(case: Case) -> None:
    prob = torch.from_numpy(case["logits"]).softmax(dim=1)
    low = tree_filter(prob, torch.from_numpy(case["low"]), sigma=case["sigma"])
    np.testing.assert_allclose(low, case["soft_low"], rtol=1e-9, atol=1e-9)
    both = tree_filter(low, torch.from_numpy(case["high"]))
    np.testing.assert_allclose(both, case["soft_both"], rtol=1e-9, atol=1e-9)


def test_a_constant_target_gives_the_same_value_and_another_gradient() -> None:
    logits = torch.randn(1, 3, 4, 5, requires_grad=True)
    image, high = torch.rand(1, 1, 4, 5), torch.randn(1, 2, 4, 5, requires_grad=True)
    everywhere = torch.ones(1, 4, 5, dtype=torch.bool)
    kept = tree_energy_loss(logits, image, everywhere, high)
    constant = tree_energy_loss(logits, image, everywhere, high, detach_target=True)
    assert kept.item() == constant.item()
    through_both = torch.autograd.grad(kept, logits)[0]
    alone = torch.autograd.grad(constant, logits, retain_graph=True)[0]
    assert not torch.allclose(through_both, alone)
    assert torch.autograd.grad(constant, high, allow_unused=True)[0] is None


def test_a_flat_picture_pulls_everything_to_the_mean() -> None:
    """Affinities are 1: the pseudo label is the mean prediction."""
    logits = torch.randn(2, 3, 4, 5)
    prob = logits.softmax(dim=1)
    away = (prob - prob.mean(dim=(2, 3), keepdim=True)).abs().sum(dim=1).mean()
    loss = tree_energy_loss(logits, torch.ones(2, 1, 4, 5), torch.ones(2, 4, 5, dtype=torch.bool))
    torch.testing.assert_close(loss, away)


def test_flips_commute() -> None:
    """The guides are flipped as well; they have no ties."""
    logits, image, high = torch.randn(1, 3, 6, 5), torch.rand(1, 3, 6, 5), torch.randn(1, 4, 6, 5)
    where = torch.rand(1, 6, 5) < 0.5
    flipped = tree_energy_loss(logits.flip(-1), image.flip(-1), where.flip(-1), high.flip(-1))
    torch.testing.assert_close(flipped, tree_energy_loss(logits, image, where, high))

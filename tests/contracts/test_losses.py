"""What every loss must do, whatever it computes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scribbleseg.losses import (
    annotation_probability_loss,
    balanced_cross_entropy,
    balanced_label_preference_loss,
    certain_consistency,
    class_aware_cross_entropy,
    dice_loss,
    distance_entropy,
    far_background_loss,
    gated_crf_loss,
    mean_entropy,
    mumford_shah,
    mumford_shah_wsl4mis,
    partial_cross_entropy,
    rectification_loss,
    total_variation,
    tree_energy_loss,
)

Loss = Callable[[Tensor, Tensor], Tensor]

SHAPE = (2, 3, 4, 4)
NOTHING = torch.zeros(2, 4, 4, dtype=torch.bool)


def symmetric_image(logits: Tensor) -> Tensor:
    """Intensities that a flip leaves as they are."""
    columns = torch.linspace(-1, 1, logits.shape[-1], dtype=torch.float64).square()
    image = columns.expand(len(logits), 1, *logits.shape[-2:])
    return image.to(torch.promote_types(logits.dtype, torch.float32))


def guide(logits: Tensor) -> Tensor:
    """The same features for every image of a batch."""
    features = torch.rand(1, 2, *logits.shape[-2:], generator=torch.Generator().manual_seed(2))
    features = features.to(torch.promote_types(logits.dtype, torch.float32))
    return features.expand(len(logits), -1, -1, -1)


LOSSES: dict[str, Loss] = {
    # each as (logits, chosen pixels (B, H, W) bool) -> scalar
    "partial_ce": lambda logits, chosen: partial_cross_entropy(logits, torch.where(chosen, 1, 255)),
    "balanced_ce": lambda logits, chosen: balanced_cross_entropy(
        logits, torch.where(chosen, 1, 255)
    ),
    "annotation_probability": lambda logits, chosen: annotation_probability_loss(
        logits, torch.where(chosen, 1, 255), chosen
    ),
    # its weights are constants to the gradient: without them here
    "balanced_label_preference": lambda logits, chosen: balanced_label_preference_loss(
        logits,
        torch.zeros(len(logits), 4, *logits.shape[-2:]),
        torch.where(chosen, 1, 255),
        gamma=0.0,
    ),
    "class_aware_ce": lambda logits, chosen: class_aware_cross_entropy(
        logits, torch.where(chosen, 1, 255), torch.tensor([[1, 1, 0]]).expand(len(logits), -1)
    ),
    "total_variation": lambda logits, chosen: total_variation(logits, chosen),
    # sums over the images of a batch
    "mumford_shah": lambda logits, chosen: (
        mumford_shah(logits, symmetric_image(logits), chosen) / len(logits)
    ),
    "mumford_shah_wsl4mis": lambda logits, chosen: (
        mumford_shah_wsl4mis(logits, symmetric_image(logits), chosen) / len(logits)
    ),
    # the batch has one smoothing, however many images it has
    "dice": lambda logits, chosen: dice_loss(logits, torch.where(chosen, 1, 255), smoothing=1e-9),
    "certain_consistency": lambda logits, chosen: certain_consistency(
        logits, torch.zeros_like(logits), chosen
    ),
    "gated_crf": lambda logits, chosen: gated_crf_loss(
        logits, symmetric_image(logits), source=chosen, radius=2
    ),
    "tree_energy": lambda logits, chosen: tree_energy_loss(
        logits, guide(logits)[:, :1], chosen, guide(logits)
    ),
    "mean_entropy": lambda logits, chosen: mean_entropy(logits, chosen),
    "far_background": far_background_loss,
    "distance_entropy": lambda logits, chosen: distance_entropy(logits, 255 * chosen),
    "rectification": lambda logits, chosen: rectification_loss(
        logits * chosen[:, None], torch.zeros_like(logits)
    ),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def chosen_pixels() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 4, 4, generator=generator) < 0.4


@every_loss
def test_gradient_is_right(loss: Loss) -> None:
    logits = torch.randn(SHAPE, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: loss(z, chosen_pixels()), logits)


@every_loss
def test_nothing_chosen_is_zero_with_zero_gradient(loss: Loss) -> None:
    logits = torch.randn(SHAPE, requires_grad=True)
    value = loss(logits, NOTHING)
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


@every_loss
def test_batch_of_equal_images_has_the_value_of_one(loss: Loss) -> None:
    logits, chosen = torch.randn(1, *SHAPE[1:]), chosen_pixels()[:1]
    repeated = loss(logits.repeat(3, 1, 1, 1), chosen.repeat(3, 1, 1))
    torch.testing.assert_close(repeated, loss(logits, chosen))


# The tree's guide would have to be flipped as well, and be free of ties; see its own test.
@pytest.mark.parametrize("loss", [loss for name, loss in LOSSES.items() if name != "tree_energy"])
def test_flips_commute(loss: Loss) -> None:
    logits, chosen = torch.randn(SHAPE), chosen_pixels()
    torch.testing.assert_close(loss(logits.flip(-1), chosen.flip(-1)), loss(logits, chosen))


@every_loss
def test_inputs_are_unchanged(loss: Loss) -> None:
    logits, chosen = torch.randn(SHAPE), chosen_pixels()
    before = logits.clone(), chosen.clone()
    loss(logits, chosen)
    assert torch.equal(logits, before[0])
    assert torch.equal(chosen, before[1])


@every_loss
@pytest.mark.parametrize("autocast", [True, False])
def test_half_precision_is_close_to_float32(loss: Loss, autocast: bool) -> None:
    logits, chosen = 3 * torch.randn(SHAPE), chosen_pixels()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        half = loss(logits.bfloat16(), chosen)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, loss(logits, chosen), rtol=1e-2, atol=1e-2)


@every_loss
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (1, 7)])
def test_odd_sizes_and_a_batch_of_one(loss: Loss, size: tuple[int, int]) -> None:
    value = loss(torch.randn(1, 3, *size), torch.ones(1, *size, dtype=torch.bool))
    assert torch.isfinite(value)
    assert value.ndim == 0

import numpy as np
import torch
from tests.golden_cases import Case, golden

from scribbleseg.losses import mumford_shah, mumford_shah_wsl4mis
from scribbleseg.losses.mumford_shah import outline_length, variance_inside


@golden("baselines", "mumford_shah")
def test_matches_reference(case: Case) -> None:
    image = torch.from_numpy(case["image"])
    for loss_of, name in ((mumford_shah, "correct"), (mumford_shah_wsl4mis, "reference")):
        logits = torch.from_numpy(case["logits"]).requires_grad_()
        loss = loss_of(logits, image)
        loss.backward()
        np.testing.assert_allclose(loss.item(), case[f"loss_{name}"], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(logits.grad, case[f"grad_{name}"], rtol=1e-9, atol=1e-9)


@golden("baselines", "mumford_shah")
def test_parts_match_reference(case: Case) -> None:
    image = torch.from_numpy(case["image"])
    prob = torch.from_numpy(case["logits"]).softmax(dim=1)
    found = [variance_inside(prob, image), variance_inside(image, prob), outline_length(prob)]
    expected = [case["level_correct"], case["level_reference"], case["length"]]
    np.testing.assert_allclose(torch.stack(found), expected, rtol=1e-9, atol=1e-9)


def test_only_the_form_of_the_paper_looks_for_even_regions() -> None:
    image = torch.zeros(1, 1, 4, 8)
    image[..., 4:] = 1.0
    along = torch.zeros(1, 2, 4, 8)
    along[:, 0, :, :4] = along[:, 1, :, 4:] = 99.0
    across = torch.zeros(1, 2, 4, 8)  # an outline as long as the other
    across[:, 0, :, 2:6] = across[:, 1, :2, :2] = across[:, 1, 2:, 6:] = 99.0
    assert mumford_shah(along, image) == 2 * 4  # nothing but an outline of 4 for each class
    assert mumford_shah(across, image) > mumford_shah(along, image) + 3
    assert mumford_shah_wsl4mis(along, image) == 2 * 4  # bright pixels are of one class: 0 as well
    assert mumford_shah_wsl4mis(along, torch.ones_like(image)) == 2 * 4 + 2 * 8  # though even


def test_the_form_of_wsl4mis_divides_by_whatever_the_intensities_sum_to() -> None:
    logits = torch.randn(1, 2, 3, 4, dtype=torch.float64)
    image, prob = torch.full((1, 1, 3, 4), -0.1, dtype=torch.float64), logits.softmax(dim=1)
    spread = prob - prob.mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(
        mumford_shah_wsl4mis(logits, image), -0.1 * spread.square().sum() + outline_length(prob)
    )


def test_padding_takes_no_part() -> None:
    logits, image = torch.randn(2, 3, 5, 6).double(), torch.rand(2, 2, 5, 6).double()
    valid = torch.zeros(2, 5, 6, dtype=torch.bool)
    valid[:, :3, 1:] = True
    for loss_of in (mumford_shah, mumford_shah_wsl4mis):
        torch.testing.assert_close(
            loss_of(logits, image, valid), loss_of(logits[:, :, :3, 1:], image[:, :, :3, 1:])
        )


def test_a_black_image_has_finite_gradients() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    mumford_shah_wsl4mis(logits, torch.zeros(1, 1, 4, 4)).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()

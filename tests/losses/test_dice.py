import pytest
import torch

from scribbleseg.losses import dice_loss


def test_hand_values() -> None:
    label = torch.tensor([[[0, 0, 1, 1]]])
    certain = torch.nn.functional.one_hot(label, 2).movedim(-1, 1) * 99.0
    assert dice_loss(certain, label).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(-certain, label).item() == pytest.approx(1, abs=1e-5)
    half = torch.zeros(1, 2, 1, 4)  # 2 * 1 / (1 + 2) for either class
    assert dice_loss(half, label).item() == pytest.approx(1 / 3, abs=1e-5)


def test_sums_run_over_the_whole_batch() -> None:
    """An image without the class does not count as a bad one."""
    label = torch.tensor([[[0, 1]], [[0, 0]]])
    certain = torch.nn.functional.one_hot(label, 2).movedim(-1, 1) * 99.0
    assert dice_loss(certain, label).item() == pytest.approx(0, abs=1e-6)


def test_a_class_that_is_not_there_has_a_term_of_one() -> None:
    loss = dice_loss(torch.zeros(1, 3, 4, 4), torch.full((1, 4, 4), 1))
    third = 1 - 2 * (1 / 3) / (1 / 9 + 1)
    assert loss.item() == pytest.approx((1 + third + 1) / 3, abs=1e-5)


def test_ignored_pixels_take_no_part() -> None:
    logits = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    label = torch.randint(0, 3, (2, 4, 5))
    label[:, :, 3:] = 255
    torch.testing.assert_close(dice_loss(logits, label), dice_loss(logits[..., :3], label[..., :3]))

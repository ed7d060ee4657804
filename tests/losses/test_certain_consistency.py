import torch

from scribbleseg.losses import certain_consistency


def test_hand_value_over_the_certain_pixels_alone() -> None:
    logits = torch.tensor([[[[99.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]]])
    target = torch.tensor([[[[0.0, 0.0, 99.0]], [[99.0, 0.0, 0.0]]]])
    certain = torch.tensor([[[True, True, False]]])  # (1 + 1) / 2 and 0, of two pixels
    torch.testing.assert_close(certain_consistency(logits, target, certain), torch.tensor(0.5))


def test_turning_everything_changes_nothing() -> None:
    logits, target = torch.randn(2, 2, 3, 5, 5)
    certain = torch.rand(2, 5, 5) < 0.5
    turned = certain_consistency(
        *(torch.rot90(z, 3, (2, 3)) for z in (logits, target)), torch.rot90(certain, 3, (1, 2))
    )
    torch.testing.assert_close(turned, certain_consistency(logits, target, certain))

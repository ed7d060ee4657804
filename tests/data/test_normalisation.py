import pytest
import torch

from scribbleseg.data.normalisation import IMAGENET_MEAN, IMAGENET_STD, Normalisation


@pytest.mark.parametrize(
    "normalise", [Normalisation(IMAGENET_MEAN, IMAGENET_STD), Normalisation((0.0,), (1.0,))]
)
def test_undo_gives_exactly_the_picture(normalise: Normalisation) -> None:
    channels = len(normalise.mean)
    pictures = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).repeat(1, channels, 1, 1)
    assert torch.equal(normalise.undo(normalise(pictures)), pictures / 255)

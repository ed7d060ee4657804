import pytest
import torch
from tests.contracts.test_methods import make

from scribbleseg.data.normalisation import IMAGENET_MEAN, IMAGENET_STD, Normalisation
from scribbleseg.losses import mumford_shah, mumford_shah_wsl4mis
from scribbleseg.methods import MumfordShah

FORMS = {"paper": mumford_shah, "wsl4mis": mumford_shah_wsl4mis}


@pytest.mark.parametrize("form", FORMS)
def test_the_functional_sees_intensities_whatever_the_network_sees(form: str) -> None:
    task = make(MumfordShah, form=form, functional_weight=0.5).eval()
    pictures = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    normalise = Normalisation(IMAGENET_MEAN, IMAGENET_STD)
    valid = torch.rand(2, 16, 16) < 0.8
    terms, logits = task.training_loss(
        {
            "image": normalise(pictures),
            "scribble": torch.full((2, 16, 16), 255),
            "valid": valid,
            "normalise": normalise,
        }
    )
    expected = 0.5 * FORMS[form](logits, pictures / 255, valid)
    torch.testing.assert_close(terms["mumford_shah"], expected)
    assert terms["partial_ce"] == 0

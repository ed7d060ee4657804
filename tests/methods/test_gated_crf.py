from typing import Any

import pytest
import torch
from tests.contracts.test_methods import make

from scribbleseg.data.normalisation import IMAGENET_MEAN, IMAGENET_STD, Normalisation
from scribbleseg.errors import ConfigError
from scribbleseg.losses import PairKernel, gated_crf_loss
from scribbleseg.methods import GatedCRF


def batch() -> dict[str, Any]:
    normalise = Normalisation(IMAGENET_MEAN, IMAGENET_STD)
    valid = torch.ones(2, 12, 16, dtype=torch.bool)
    valid[:, :, 12:] = False
    return {
        "image": normalise(torch.randint(256, (2, 3, 12, 16), dtype=torch.uint8)),
        "normalise": normalise,
        "scribble": torch.randint(3, (2, 12, 16)),
        "valid": valid,
    }


def test_the_picture_is_compared_in_0_to_1_and_padding_sends_nothing() -> None:
    given = batch()
    options = {"crf_weight": 0.3, "radius": 2, "sigma_xy": 4.0, "sigma_rgb": 0.2}
    terms, logits = make(GatedCRF, **options).training_loss(given)
    picture = given["normalise"].undo(given["image"])
    assert picture.min() >= 0
    assert picture.max() <= 1
    crf = gated_crf_loss(
        logits, picture, source=given["valid"], kernels=[PairKernel(1.0, 4.0, 0.2)], radius=2
    )
    torch.testing.assert_close(terms["gated_crf"], 0.3 * crf)
    assert set(terms) == {"partial_ce", "gated_crf"}


@pytest.mark.parametrize(
    "wrong", [{"crf_weight": -1.0}, {"radius": 0}, {"sigma_xy": 0.0}, {"sigma_rgb": 0.0}]
)
def test_impossible_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        make(GatedCRF, **wrong)

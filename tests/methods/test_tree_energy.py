from functools import partial
from typing import Any

import pytest
import torch
from tests.contracts.test_methods import make
from torch import nn

from scribbleseg.data.normalisation import Normalisation
from scribbleseg.errors import ConfigError
from scribbleseg.methods import TreeEnergy
from scribbleseg.networks import PlainUNet


def batch() -> dict[str, Any]:
    normalise = Normalisation((0.5,) * 3, (0.25,) * 3)
    return {
        "image": normalise(torch.randint(256, (2, 3, 18, 22), dtype=torch.uint8)),
        "normalise": normalise,
        "scribble": torch.full((2, 18, 22), 255),
        "valid": torch.ones(2, 18, 22, dtype=torch.bool),
    }


def test_the_embedding_learns_from_the_tree_energy() -> None:
    task = make(TreeEnergy, embedding_channels=4)
    terms, logits = task.training_loss(batch())
    assert set(terms) == {"partial_ce", "tree_energy"}
    assert logits.shape == (2, 3, 18, 22)
    terms["tree_energy"].backward()
    gradient = task.get_parameter("embedding.0.weight").grad
    assert gradient is not None
    assert gradient.abs().max() > 0


def test_a_detached_target_leaves_the_embedding_alone() -> None:
    task = make(TreeEnergy, embedding_channels=4, detach_target=True)
    terms, _ = task.training_loss(batch())
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is None for name, p in task.named_parameters() if "embedding" in name)
    assert all(p.grad is not None for name, p in task.named_parameters() if "embedding" not in name)


def test_without_an_embedding_the_picture_alone_makes_a_tree() -> None:
    task = make(TreeEnergy, embedding_channels=0)
    assert all(name.startswith("net.") for name, _ in task.named_parameters())
    assert task.training_loss(batch())[0]["tree_energy"].item() > 0


def test_strokes_and_padding_take_no_part() -> None:
    given = batch()
    given["scribble"][:, :, :11] = 1
    given["valid"][:, :, 11:] = False
    assert make(TreeEnergy).training_loss(given)[0]["tree_energy"].item() == 0


class Plain(nn.Conv2d):
    """A network without a semantic map."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__(in_channels, num_classes, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tree_weight": -1.0}, "tree_weight -1.0"),
        ({"sigma": 0.0}, r"sigma 0.0 above 0"),
        ({"network": Plain}, "Plain has no with_semantic_map"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(TreeEnergy, **{"network": partial(PlainUNet, widths=(2, 4)), **options})

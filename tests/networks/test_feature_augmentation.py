from typing import Any

import pytest
import torch
from tests.golden_cases import Case, golden
from torch import Tensor

from scribbleseg.networks.feature_augmentation import FeatureAugmentation
from scribbleseg.networks.prototypes import PrototypeMemory

EXACT = {"rtol": 1e-7, "atol": 1e-9}
NAMES = {
    "prototype_fc": "of_prototype",
    "feature_fc": "of_feature",
    "fc3": "fusion",
    "fc4": "expansion",
}
"""Ours by the published names."""


def published_block(arrays: Any, beginning: str) -> FeatureAugmentation:
    """The block with the weights of a case."""
    state = {
        f"{ours}.{part}": torch.tensor(arrays[f"{beginning}{theirs}.{part}"])
        for theirs, ours in NAMES.items()
        for part in ("weight", "bias")
    }
    block = FeatureAugmentation(len(state["expansion.weight"])).double()
    block.load_state_dict(state)
    return block


def compare(case: Case, prototypes: Tensor, present: Tensor) -> None:
    block = published_block(case, "param.")
    features = torch.tensor(case["feat"], requires_grad=True)
    augmented = block(features, prototypes, present)
    torch.testing.assert_close(augmented, torch.tensor(case["out"]), **EXACT)
    (augmented * torch.tensor(case["upstream"])).sum().backward()
    torch.testing.assert_close(features.grad, torch.tensor(case["grad_feat"]), **EXACT)
    for theirs, ours in NAMES.items():
        for part in ("weight", "bias"):
            gradient = block.get_parameter(f"{ours}.{part}").grad
            torch.testing.assert_close(
                gradient, torch.tensor(case[f"grad.{theirs}.{part}"]), **EXACT
            )


@golden("pfa", "augment_local")
def test_by_local_prototypes_as_in_the_published_code(case: Case) -> None:
    compare(case, torch.tensor(case["prototypes"]), torch.tensor(case["class_labels"]))


@golden("pfa", "augment_global")
def test_by_the_memory_as_in_the_published_code(case: Case) -> None:
    slots = torch.tensor(case["prototypes"])
    memory = PrototypeMemory(*slots.shape).double()
    memory.slots.copy_(slots)
    compare(case, *memory.of_tags(torch.tensor(case["class_labels"])))


def test_what_is_not_present_has_no_influence() -> None:
    block, features = FeatureAugmentation(6), torch.randn(2, 6, 3, 4)
    prototypes, present = torch.randn(2, 3, 6), torch.tensor([[1, 0, 1], [0, 1, 0]])
    other = prototypes + (present == 0).unsqueeze(-1) * torch.randn(2, 3, 6)
    assert torch.equal(block(features, prototypes, present), block(features, other, present))


@pytest.mark.parametrize("channels", [1, 5, 8])
def test_any_width(channels: int) -> None:
    block = FeatureAugmentation(channels)
    out = block(torch.randn(1, channels, 2, 3), torch.randn(1, 4, channels), torch.ones(1, 4))
    assert out.shape == (1, channels, 2, 3)


def test_the_published_size() -> None:
    assert sum(p.numel() for p in FeatureAugmentation(256).parameters()) == 131_712

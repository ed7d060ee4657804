import pytest
import torch
from tests.golden_cases import Case, golden

from scribbleseg.networks.prototypes import PrototypeMemory, local_prototypes, update_memory

EXACT = {"rtol": 1e-7, "atol": 1e-9}


@golden("pfa", "local_prototypes")
def test_local_prototypes_of_the_published_code(case: Case) -> None:
    assert case.path is not None
    features, logits, tags = (torch.tensor(case[k]) for k in ("feat", "pred", "class_labels"))
    before = logits.clone()
    found = local_prototypes(features, logits, tags, pixels=case["k"])
    # With few positive logits ties decide, and the published result is only good to 1e-5.
    exact = {"rtol": 0, "atol": 1e-4} if "few_positive" in case.path.stem else EXACT
    torch.testing.assert_close(found, torch.tensor(case["prototypes"]), **exact)
    assert case["k"] == features[0, 0].numel() // 12
    assert torch.equal(local_prototypes(features, logits, tags), found)
    assert torch.equal(logits, before)


@golden("pfa", "memory_update")
def test_the_memory_of_the_published_code(case: Case) -> None:
    prototypes, tags = torch.tensor(case["prototypes"]), torch.tensor(case["class_labels"])
    _, _, classes, channels = prototypes.shape
    memory = PrototypeMemory(classes, case["slots"], channels, momentum=case["momentum"]).double()
    for step in range(len(prototypes)):
        memory.update(prototypes[step], tags[step])
        torch.testing.assert_close(memory.slots, torch.tensor(case["memory_after"][step]), **EXACT)
        assert memory.count.tolist() == case["count_after"][step].tolist()
        assert memory.is_full == case["full_after"][step]


def test_hand_values() -> None:
    features = torch.tensor([[[[1.0, 0.0, 5.0]], [[0.0, 1.0, 5.0]]]])
    logits = torch.tensor([[[[2.0, 2.0, -3.0]], [[-1.0, -2.0, -3.0]]]])
    found = local_prototypes(features, logits, torch.tensor([[1.0, 0.0]]), pixels=2)
    assert found[0, 0].tolist() == pytest.approx([0.5**0.5, 0.5**0.5])
    assert found[0, 1].tolist() == [0, 0]
    # Without a positive logit the mean of some pixels, all with the same weight.
    one = torch.ones(1, 2)
    everywhere = local_prototypes(features, logits, one, pixels=3)[0, 1]
    assert everywhere.tolist() == pytest.approx([0.5**0.5, 0.5**0.5])


def test_a_map_of_a_few_cells_has_prototypes() -> None:
    found = local_prototypes(torch.ones(1, 4, 1, 2), torch.randn(1, 3, 1, 2), torch.ones(1, 3))
    assert torch.isfinite(found).all()
    assert found.norm(dim=-1).tolist() == [pytest.approx([1, 1, 1])]


def test_prototypes_have_no_gradient_and_at_least_single_precision() -> None:
    features = torch.randn(2, 4, 6, 6, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = local_prototypes(features.bfloat16(), features.bfloat16(), torch.ones(2, 4))
    assert found.dtype == torch.float32
    assert not found.requires_grad


def test_pictures_of_one_batch_meet_the_same_slot_in_their_order() -> None:
    memory, count = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.tensor([2])
    prototypes = torch.tensor([[[3.0, 1.0]], [[1.0, 0.0]]])
    new, _ = update_memory(memory, count, prototypes, torch.ones(2, 1), momentum=0.5)
    # (1, 0) becomes (2, 0.5) and then (1.5, 0.25).
    assert new.tolist() == [[[1.5, 0.25], [0.0, 1.0]]]
    assert memory.tolist() == [[[1.0, 0.0], [0.0, 1.0]]]


def test_of_several_most_similar_slots_the_first_moves() -> None:
    memory = torch.tensor([[[0.0, 2.0], [0.0, 1.0], [0.0, 1.0]]])
    new, _ = update_memory(
        memory, torch.tensor([3]), torch.tensor([[[0.0, 4.0]]]), torch.ones(1, 1), momentum=0.5
    )
    assert new.tolist() == [[[0.0, 3.0], [0.0, 1.0], [0.0, 1.0]]]


def test_slots_of_a_pictures_classes() -> None:
    memory = PrototypeMemory(2, slots=2, channels=3)
    memory.update(torch.ones(1, 2, 3), torch.tensor([[1, 1]]))
    memory.update(torch.ones(1, 2, 3), torch.tensor([[1, 0]]))
    prototypes, present = memory.of_tags(torch.tensor([[1, 1], [0, 1]]))
    assert prototypes.shape == (1, 4, 3)
    assert present.tolist() == [[True] * 4, [False, False, True, True]]
    assert memory.filled.flatten().tolist() == [True, True, True, False]
    assert [name for name, _ in memory.named_buffers()] == ["slots", "count"]

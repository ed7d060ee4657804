import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden_cases import Case, golden

from scribbleseg.losses import (
    class_aware_cross_entropy,
    class_aware_label,
    class_aware_probability,
    image_level_loss,
)

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def tags_of(case: Case) -> torch.Tensor:
    return torch.tensor(case["tags"])[..., 0, 0]


@golden("lpl", "cce")
def test_golden_class_aware_cross_entropy(case: Case) -> None:
    label, tags = torch.tensor(case["label"]), tags_of(case)
    for reduction, value, gradient in (
        ("mean", "loss_mean", "grad_mean"),
        ("none", "loss_none", "grad_sum"),
    ):
        logits = torch.tensor(case["logits"], requires_grad=True)
        loss = class_aware_cross_entropy(
            logits,
            label,
            tags,
            temperature=case["temperature"],
            reduction=reduction,  # type: ignore[arg-type]
        )
        # With nothing labelled the mean of the reference is 0 / 0, ours is 0.
        expected = torch.tensor(case[value], dtype=torch.float64).nan_to_num()
        torch.testing.assert_close(loss, expected, **CLOSE)
        loss.sum().backward()
        torch.testing.assert_close(logits.grad, torch.tensor(case[gradient]), **CLOSE)


@golden("lpl", "cce")
def test_golden_probabilities_and_labels(case: Case) -> None:
    logits, tags, temperature = torch.tensor(case["logits"]), tags_of(case), case["temperature"]
    probability = class_aware_probability(logits, tags, temperature=temperature)
    torch.testing.assert_close(probability, torch.tensor(case["masked_softmax"]), **CLOSE)
    label = class_aware_label(logits, tags)
    assert torch.equal(label, torch.tensor(case["argmax"]))
    for index in range(logits.shape[1]):  # classes that the image does not have included
        loss = class_aware_cross_entropy(
            logits, torch.full_like(label, index), tags, temperature=temperature, reduction="none"
        )
        torch.testing.assert_close(-loss, torch.tensor(case["log_prob"])[:, index], **CLOSE)


@golden("lpl", "cls")
def test_golden_image_level_loss(case: Case) -> None:
    logits = torch.tensor(case["logits"], requires_grad=True)
    loss = image_level_loss(logits, tags_of(case))
    loss.backward()
    assert loss.item() == pytest.approx(case["loss"], rel=1e-9, abs=1e-9)
    torch.testing.assert_close(logits.grad, torch.tensor(case["grad"]), **CLOSE)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_the_gradient_is_that_of_the_formula(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 6 * torch.randn(2, 4, 3, 3, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    tags = (torch.rand(2, 4, generator=generator) < 0.5).double()
    label = torch.randint(4, (2, 3, 3), generator=generator)
    class_aware_cross_entropy(logits, label, tags, reduction="none").sum().backward()
    known = tags[:, :, None, None]
    exponential = logits.detach().exp()
    share = exponential / ((known * exponential).sum(dim=1, keepdim=True) + 1e-5)
    own = share.gather(1, label[:, None])
    is_label = torch.zeros_like(share).scatter_(1, label[:, None], 1)
    expected = own / (own + 1e-5) * (known * share - is_label)
    torch.testing.assert_close(logits.grad, expected, rtol=1e-7, atol=1e-9)


def test_one_tag_decides_alone() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    label = torch.full((1, 2, 2), 1)
    loss = class_aware_cross_entropy(logits, label, torch.tensor([[0, 1, 0]]))
    loss.backward()
    assert abs(loss.item()) < 1e-4
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-4
    assert (class_aware_label(logits, torch.tensor([[0, 1, 0]])) == 1).all()


def test_without_tags_the_label_is_0_and_nothing_is_infinite() -> None:
    logits, tags = torch.randn(1, 3, 2, 2, requires_grad=True), torch.zeros(1, 3)
    assert (class_aware_label(logits, tags) == 0).all()
    assert (class_aware_probability(logits, tags) == 0).all()
    label = torch.full((1, 2, 2), 1)
    loss = class_aware_cross_entropy(logits, label, tags)
    loss.backward()
    expected = -((logits.detach()[:, 1].exp() / 1e-5 + 1e-5).log().mean())
    torch.testing.assert_close(loss.detach(), expected)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("size", [30.0, 88.0, 200.0, 1e4, 1e30])
def test_large_logits_are_no_trouble(size: float) -> None:
    logits = size * torch.tensor([[1.0, -1.0, 0.5], [-1.0, 1.0, 0.5]]).reshape(1, 2, 1, 3)
    logits.requires_grad_()
    label, tags = torch.tensor([[[0, 0, 1]]]), torch.ones(1, 2)
    loss = class_aware_cross_entropy(logits, label, tags, reduction="none")
    expected = torch.tensor([[[0.0, -math.log(1e-5), math.log(2)]]])
    torch.testing.assert_close(loss.detach(), expected, rtol=1e-4, atol=1e-4)
    loss.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert torch.isfinite(class_aware_probability(logits, tags)).all()


def test_the_loss_lies_between_its_bounds() -> None:
    label = torch.randint(5, (1, 40, 40))
    loss = class_aware_cross_entropy(
        20 * torch.randn(1, 5, 40, 40), label, torch.ones(1, 5), reduction="none"
    )
    assert loss.min() >= -1.1e-5
    assert loss.max() <= -math.log(1e-5) + 1e-5


def test_a_label_that_is_no_tag_has_no_bound() -> None:
    logits = torch.tensor([0.0, 50.0]).reshape(1, 2, 1, 1)
    loss = class_aware_cross_entropy(logits, torch.ones(1, 1, 1).long(), torch.tensor([[1, 0]]))
    assert loss.item() == pytest.approx(-50, abs=1e-3)


def test_absent_classes_are_pushed_down_by_the_tags_alone() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    tags = torch.tensor([[1, 1, 0]])
    class_aware_cross_entropy(logits, torch.zeros(1, 4, 4).long(), tags).backward()
    assert logits.grad is not None
    assert (logits.grad[:, 2] == 0).all()
    image_level_loss(logits, tags).backward()
    assert (logits.grad[:, 2] > 0).sum() == 1


def test_image_level_loss_does_not_look_at_the_background() -> None:
    logits, tags = torch.randn(2, 3, 4, 4), torch.tensor([[1, 0, 1], [0, 1, 0]])
    other = torch.cat([torch.randn(2, 1, 4, 4), logits[:, 1:]], dim=1)
    tags_too = tags.clone()
    tags_too[:, 0] = 1 - tags[:, 0]
    assert torch.equal(image_level_loss(logits, tags), image_level_loss(other, tags_too))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_any_memory_format(dtype: torch.dtype) -> None:
    logits = 3 * torch.randn(2, 4, 6, 6)
    tags = torch.tensor([[1, 1, 0, 1], [1, 0, 1, 0]])
    exact = image_level_loss(logits, tags)
    half = logits.to(dtype).to(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = image_level_loss(half, tags) + class_aware_cross_entropy(
            half, torch.zeros(2, 6, 6).long(), tags
        )
    exact = exact + class_aware_cross_entropy(logits, torch.zeros(2, 6, 6).long(), tags)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.detach(), exact, rtol=1e-2, atol=1e-2)
    loss.backward()
    assert half.grad is not None
    assert torch.isfinite(half.grad).all()


def test_images_whose_classes_are_not_known_do_not_count() -> None:
    logits, tags = torch.randn(3, 4, 5, 5), torch.randint(2, (3, 4))
    some = image_level_loss(logits, tags, known=torch.tensor([True, False, True]))
    torch.testing.assert_close(some, image_level_loss(logits[[0, 2]], tags[[0, 2]]))
    everything = image_level_loss(logits, tags, known=torch.ones(3, dtype=torch.bool))
    torch.testing.assert_close(everything, image_level_loss(logits, tags))
    logits.requires_grad_()
    none = image_level_loss(logits, tags, known=torch.zeros(3, dtype=torch.bool))
    none.backward()
    assert none.item() == 0
    assert not logits.grad.any()

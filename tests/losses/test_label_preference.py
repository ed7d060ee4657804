import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden_cases import Case, golden
from torch import Tensor

from scribbleseg.losses import (
    annotation_probability_loss,
    balanced_label_preference_loss,
    label_preference_weight,
    partial_cross_entropy,
)

CLOSE = {"rtol": 1e-9, "atol": 1e-15}


def scribble_and_valid(label: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """The published coding as ours: there 255 is padding, and ``num_classes`` is not drawn."""
    return torch.where(label == num_classes, 255, label), label != 255


@golden("blpseg", "annotation_prob_loss")
def test_golden_annotation_probability_loss(case: Case) -> None:
    logits = torch.tensor(case["logits"], requires_grad=True)
    *drawn, unannotated = case["class_weight"].tolist()
    assert set(drawn) == {1.0}
    scribble, valid = scribble_and_valid(torch.tensor(case["label"]).long(), len(drawn))
    loss = annotation_probability_loss(logits, scribble, valid, unannotated_weight=unannotated)
    loss.backward()
    assert loss.item() == pytest.approx(case["loss"], rel=1e-9)
    torch.testing.assert_close(logits.grad, torch.tensor(case["grad_logits"]), **CLOSE)


@golden("blpseg", "blp_loss")
def test_golden_balanced_label_preference_loss(case: Case) -> None:
    logits = torch.tensor(case["seg_logits"], requires_grad=True)
    annotation = torch.tensor(case["scribble_logits"], requires_grad=True)
    num_classes = logits.shape[1]
    label, _ = scribble_and_valid(torch.tensor(case["label"]).long(), num_classes)
    gamma = float(case["gamma"])
    weight = label_preference_weight(logits, annotation, label, gamma=gamma)
    spread = torch.zeros_like(logits.detach())
    spread.scatter_(1, torch.where(label == 255, 0, label).unsqueeze(1), weight.unsqueeze(1))
    torch.testing.assert_close(spread, torch.tensor(case["weight"]), **CLOSE)
    loss = balanced_label_preference_loss(logits, annotation, label, gamma=gamma)
    loss.backward()
    assert loss.item() == pytest.approx(case["loss"], rel=1e-9)
    torch.testing.assert_close(logits.grad, torch.tensor(case["grad_seg_logits"]), **CLOSE)
    assert annotation.grad is None
    assert (case["grad_scribble_logits"] == 0).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_without_weights_it_is_the_mean_of_each_image(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    annotation = torch.randn(2, 4, 4, 5, generator=generator)
    label = torch.randint(4, (2, 4, 5), generator=generator)
    label = torch.where(label == 3, 255, label)
    means = [partial_cross_entropy(logits[i : i + 1], label[i : i + 1]) for i in range(2)]
    loss = balanced_label_preference_loss(logits, annotation, label, gamma=0.0)
    torch.testing.assert_close(loss, torch.stack(means).mean(), rtol=1e-6, atol=0)


def test_expected_and_learned_pixels_weigh_little() -> None:
    """Two pixels of class 0, of which an annotator draws the first: q p is 0.81 and 0.09."""
    logits = torch.tensor([[[[0.9, 0.9]], [[0.1, 0.1]]]]).log()
    annotation = torch.tensor([[[[0.9, 0.1]], [[0.05, 0.1]], [[0.05, 0.8]]]]).log()
    weight = label_preference_weight(logits, annotation, torch.zeros(1, 1, 2, dtype=torch.long))
    torch.testing.assert_close(weight, torch.tensor([[[0.19**2, 0.91**2]]]))


def test_padding_is_neither_drawn_nor_undrawn() -> None:
    annotation = torch.randn(1, 4, 3, 4)
    scribble = torch.tensor([[[0, 255, 1, 255], [255] * 4, [2, 255, 255, 255]]])
    valid = torch.ones(1, 3, 4, dtype=torch.bool)
    valid[..., 3] = False
    loss = annotation_probability_loss(annotation, scribble, valid)
    cut = annotation_probability_loss(annotation[..., :3], scribble[..., :3], valid[..., :3])
    torch.testing.assert_close(loss, cut)


def test_no_weight_for_undrawn_pixels_leaves_the_strokes() -> None:
    annotation, scribble = torch.randn(1, 3, 1, 3), torch.tensor([[[0, 255, 1]]])
    valid = torch.ones(1, 1, 3, dtype=torch.bool)
    loss = annotation_probability_loss(annotation, scribble, valid, unannotated_weight=0.0)
    torch.testing.assert_close(loss, partial_cross_entropy(annotation, scribble))


def test_an_image_without_labels_halves_the_loss() -> None:
    logits, annotation = torch.randn(1, 3, 4, 4), torch.randn(1, 4, 4, 4)
    label = torch.randint(3, (1, 4, 4))
    one = balanced_label_preference_loss(logits, annotation, label)
    both = balanced_label_preference_loss(
        logits.repeat(2, 1, 1, 1),
        annotation.repeat(2, 1, 1, 1),
        torch.cat([label, torch.full_like(label, 255)]),
    )
    torch.testing.assert_close(both, one / 2)

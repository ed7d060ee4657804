import math

import pytest
import torch
from tests.golden_cases import Case, golden

from scribbleseg.losses import consistency_loss
from scribbleseg.losses.consistency import Consistency

KINDS: tuple[Consistency, ...] = ("cross_entropy", "mse", "eigen")
every_kind = pytest.mark.parametrize("kind", KINDS)


def compare(case: Case, kind: Consistency) -> None:
    logits, augmented = (
        torch.tensor(case[name], requires_grad=True) for name in ("pred", "pred_aug")
    )
    value = consistency_loss(logits, augmented, kind=kind)
    value.backward()
    assert value.item() == pytest.approx(case["loss"], rel=1e-7)
    for found, name in ((logits, "grad_pred"), (augmented, "grad_pred_aug")):
        torch.testing.assert_close(found.grad, torch.tensor(case[name]), rtol=1e-7, atol=1e-9)


@golden("pfa", "consistency")
def test_the_consistency_of_the_published_code(case: Case) -> None:
    compare(case, "cross_entropy")


@golden("pfa", "eig_consistency")
def test_the_eigen_loss_that_the_published_code_does_not_use(case: Case) -> None:
    compare(case, "eigen")


def test_the_smallest_value_of_21_classes_is_not_0() -> None:
    sure = torch.zeros(1, 21, 1, 1)
    sure[:, 3] = 1e4
    other = sure.roll(1, dims=1)
    assert consistency_loss(sure, sure).item() == pytest.approx(math.log(math.e + 20) - 1)
    assert consistency_loss(sure, other).item() == pytest.approx(math.log(math.e + 20))
    flat = torch.zeros(1, 21, 1, 1)
    assert consistency_loss(flat, flat).item() == pytest.approx(math.log(21))


def test_hand_value_of_the_squared_difference() -> None:
    # (1/2, 1/2) and (1/4, 3/4)
    half, quarter = torch.zeros(1, 2, 1, 1), torch.tensor([1.0, 3.0]).log().view(1, 2, 1, 1)
    assert consistency_loss(half, quarter, kind="mse").item() == pytest.approx(1 / 16)


@pytest.mark.parametrize("kind", ["mse", "eigen"])
def test_equal_predictions_have_none(kind: Consistency) -> None:
    logits = torch.randn(2, 3, 4, 5)
    assert consistency_loss(logits, logits.clone(), kind=kind).item() == 0


@every_kind
def test_gradients_reach_both_arguments_and_are_right(kind: Consistency) -> None:
    pair = [torch.randn(2, 3, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: consistency_loss(a, b, kind=kind), pair)


@every_kind
def test_classes_have_no_order_and_inputs_stay(kind: Consistency) -> None:
    logits, augmented = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    before = logits.clone(), augmented.clone()
    value = consistency_loss(logits, augmented, kind=kind)
    turned = consistency_loss(logits.flip(1), augmented.flip(1), kind=kind)
    torch.testing.assert_close(turned, value)
    assert torch.equal(logits, before[0])
    assert torch.equal(augmented, before[1])


@every_kind
def test_half_precision_is_computed_in_single(kind: Consistency) -> None:
    logits, augmented = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    half = consistency_loss(logits.bfloat16(), augmented.bfloat16(), kind=kind)
    assert half.dtype == torch.float32
    exact = consistency_loss(logits, augmented, kind=kind)
    torch.testing.assert_close(half, exact, rtol=0.02, atol=0.02)

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden_cases import Case, golden

from scribbleseg.losses import partial_cross_entropy


def test_hand_value() -> None:
    # softmax of (0, ln 3) is (1/4, 3/4); pixel 0 is labelled 1, pixel 1 is not labelled
    logits = torch.tensor([[[[0.0, 5.0]], [[math.log(3.0), -5.0]]]])
    loss = partial_cross_entropy(logits, torch.tensor([[[1, 255]]]))
    torch.testing.assert_close(loss, torch.tensor(-math.log(0.75)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.1, 1.0))
def test_permuting_classes_and_changing_unlabelled_pixels_change_nothing(
    seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(2, 4, 5, 6)))
    label = torch.from_numpy(
        np.where(rng.random((2, 5, 6)) < share, rng.integers(0, 4, (2, 5, 6)), 255)
    )
    loss = partial_cross_entropy(logits, label)

    order = torch.from_numpy(rng.permutation(4))
    renamed = torch.where(label == 255, 255, torch.argsort(order)[label.clamp_max(3)])
    torch.testing.assert_close(partial_cross_entropy(logits[:, order], renamed), loss)

    noise = torch.where(
        (label == 255)[:, None], torch.from_numpy(rng.normal(size=logits.shape)), logits
    )
    torch.testing.assert_close(partial_cross_entropy(noise, label), loss)


@golden("pfa", "partial_ce")
def test_matches_pfa(case: Case) -> None:
    logits = torch.from_numpy(case["logits"]).requires_grad_()
    loss = partial_cross_entropy(logits, torch.from_numpy(case["label"]))
    loss.backward()
    # With nothing labelled the reference divides 0 by 0, ours is 0.
    np.testing.assert_allclose(loss.item(), np.nan_to_num(case["loss"]), rtol=1e-7, atol=1e-9)
    grad = np.nan_to_num(case["grad_logits"])
    np.testing.assert_allclose(logits.grad, grad, rtol=1e-7, atol=1e-9)


@golden("lpl", "ce")
def test_matches_lpl(case: Case) -> None:
    logits = torch.from_numpy(case["logits"]).requires_grad_()
    loss = partial_cross_entropy(logits, torch.from_numpy(case["label"]))
    loss.backward()
    # With nothing labelled the reference divides 0 by 0, ours is 0.
    np.testing.assert_allclose(loss.item(), np.nan_to_num(case["loss"]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(logits.grad, np.nan_to_num(case["grad"]), rtol=1e-9, atol=1e-9)


@golden("cdsp", "seg_ce")
def test_matches_cdsp(case: Case) -> None:
    logits = torch.from_numpy(case["logits"]).requires_grad_()
    label = torch.from_numpy(case["label"]).long()
    loss = partial_cross_entropy(logits, label, ignore_index=int(case["ignore_index"]))
    loss.backward()
    if np.isnan(
        case["loss_hard"]
    ):  # the reference divides by the number of labelled pixels, ours is 0
        assert loss.item() == 0
        return
    np.testing.assert_allclose(loss.item(), case["loss_hard"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(logits.grad, case["grad_hard"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("ignore_index", [255, 65535, -1])
def test_any_ignore_index(ignore_index: int) -> None:
    logits = torch.randn(1, 3, 2, 2)
    label = torch.tensor([[[0, ignore_index], [ignore_index, 2]]])
    by_hand = -torch.log_softmax(logits, 1)
    expected = (by_hand[0, 0, 0, 0] + by_hand[0, 2, 1, 1]) / 2
    torch.testing.assert_close(
        partial_cross_entropy(logits, label, ignore_index=ignore_index), expected
    )

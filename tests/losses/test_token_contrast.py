import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden_cases import Case, golden
from torch import Tensor

from scribbleseg.losses import class_token_contrast, patch_token_contrast


@golden("cdsp", "toco_ptc")
def test_patches_as_in_toco(case: Case) -> None:
    features = torch.tensor(case["features"], requires_grad=True)
    label = torch.tensor(case["aux_label"])
    before = label.clone()
    loss = patch_token_contrast(features, label)
    loss.backward()
    flat = label.flatten(1)
    alike = (flat[:, None] == flat[:, :, None]) & (flat != 255)[:, None]
    has_pairs = bool((alike & ~torch.eye(flat.shape[1], dtype=torch.bool)).any())
    # Without a pair that is alike the reference has half for nothing; ours is 0 there.
    expected = case["loss"] - (0.0 if has_pairs else 0.5)
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(features.grad, case["grad_features"], rtol=1e-9, atol=1e-15)
    assert torch.equal(label, before)
    single = patch_token_contrast(features.detach().float(), label)
    assert single.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@golden("cdsp", "toco_ctc")
def test_crops_as_in_toco(case: Case) -> None:
    student = torch.tensor(case["student"], requires_grad=True)
    teacher = torch.tensor(case["teacher"], requires_grad=True)
    positive = torch.tensor(case["flags"])
    assert positive.shape[1] == case["ncrops"]
    loss = class_token_contrast(student, teacher, positive, temperature=case["temp"])
    loss.backward()
    np.testing.assert_allclose(loss.item(), case["loss"], rtol=1e-9)
    np.testing.assert_allclose(student.grad, case["grad_student"], rtol=1e-9, atol=1e-15)
    assert teacher.grad is None
    as_bool = class_token_contrast(
        student.detach(), teacher, positive.bool(), temperature=case["temp"]
    )
    assert torch.equal(as_bool, loss)


def patches(seed: int, known: float) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    label = np.where(rng.random((2, 3, 4)) < known, rng.integers(0, 3, (2, 3, 4)), 255)
    return torch.from_numpy(rng.normal(size=(2, 5, 3, 4))), torch.from_numpy(label)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), known=st.floats(0, 1), scale=st.floats(0.1, 10))
def test_names_lengths_signs_and_places_of_tokens_do_not_matter(
    seed: int, known: float, scale: float
) -> None:
    features, label = patches(seed, known)
    loss = patch_token_contrast(features, label)
    assert 0 <= loss <= 1
    renamed = torch.where(label == 255, 255, 7 - label)
    sign = torch.ones_like(features[:, :1])
    sign[..., 1:, :] = -1
    for other in (
        patch_token_contrast(features, renamed),
        patch_token_contrast(scale * sign * features, label),
        patch_token_contrast(features.flip(-1), label.flip(-1)),
        patch_token_contrast(features.transpose(2, 3), label.transpose(1, 2)),
    ):
        torch.testing.assert_close(other, loss)
    moved = torch.where((label == 255)[:, None], 3 - features, features)
    torch.testing.assert_close(patch_token_contrast(moved, label), loss)


def test_tokens_of_one_class_meet_and_tokens_of_two_part() -> None:
    features = torch.tensor([[[[1.0, 1.0, 0.6, 0.0]], [[0.0, 0.0, 0.8, 1.0]]]])
    label = torch.tensor([[[1, 1, 2, 2]]])
    # ordered pairs: 2 of similarity 1 and 2 of 0.8; 4 of 0.6 and 4 of 0
    wanted = (1 - 3.6 / 5) / 2 + 2.4 / 9 / 2
    torch.testing.assert_close(patch_token_contrast(features, label), torch.tensor(wanted))


@pytest.mark.parametrize("value", [0, 3, 255])
def test_one_class_or_none(value: int) -> None:
    features = torch.randn(2, 4, 3, 3, requires_grad=True)
    label = torch.full((2, 3, 3), value)
    loss = patch_token_contrast(features, label)
    loss.backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    assert (loss > 0) == (value != 255)
    assert features.grad.any() == (value != 255)


def test_one_token_has_no_partner() -> None:
    assert patch_token_contrast(torch.ones(3, 2, 1, 1), torch.zeros(3, 1, 1)) == 0


def test_vectors_of_zeros_have_a_finite_gradient() -> None:
    features = torch.zeros(1, 2, 2, 2, requires_grad=True)
    patch_token_contrast(features, torch.zeros(1, 2, 2)).backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def crops(seed: int, *, images: int = 3, count: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    student = torch.randn(count * images, 4, dtype=torch.float64, generator=generator)
    teacher = torch.randn(2 * images, 4, dtype=torch.float64, generator=generator)
    positive = torch.rand(images, count, generator=generator) < 0.5
    positive[:, :2] = True
    return student, teacher, positive


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_batch_is_the_mean_of_its_images_and_crops_have_no_order(seed: int) -> None:
    student, teacher, positive = crops(seed)
    loss = class_token_contrast(student, teacher, positive, temperature=0.5)
    alone = [
        class_token_contrast(student[i::3], teacher[i::3], positive[i : i + 1], temperature=0.5)
        for i in range(3)
    ]
    torch.testing.assert_close(loss, torch.stack(alone).mean())
    order = torch.tensor([0, 1, 4, 2, 3])
    mixed = student.unflatten(0, (5, 3))[order].flatten(0, 1)
    torch.testing.assert_close(
        class_token_contrast(mixed, teacher, positive[:, order], temperature=0.5), loss
    )


def test_gradients_of_both_are_right() -> None:
    student, teacher, positive = crops(1)
    student.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: class_token_contrast(s, teacher, positive, temperature=0.5), student
    )
    features, label = patches(1, 0.7)
    features.requires_grad_()
    assert torch.autograd.gradcheck(lambda f: patch_token_contrast(f, label), features)


def test_similar_tokens_do_not_overflow() -> None:
    student = torch.full((3, 4), 10.0, requires_grad=True)  # exp(800) is no number
    positive = torch.tensor([[1, 1, 0]])
    loss = class_token_contrast(student, student[:2], positive, temperature=0.5)
    loss.backward()
    # the negative crop is as similar as the positive ones: 2 log 2 for them, 800 for the last term
    assert loss.item() == pytest.approx((2 * math.log(2) + 800) / 2, rel=1e-4)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize("autocast", [True, False])
def test_half_precision_is_close_to_float32(autocast: bool) -> None:
    student, teacher, positive = crops(2)
    features, label = patches(2, 0.7)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        of_crops = class_token_contrast(
            student.bfloat16(), teacher.bfloat16(), positive, temperature=0.5
        )
        of_patches = patch_token_contrast(features.bfloat16(), label)
    assert of_crops.dtype == of_patches.dtype == torch.float32
    wanted = class_token_contrast(student.float(), teacher.float(), positive, temperature=0.5)
    torch.testing.assert_close(of_crops, wanted, rtol=2e-2, atol=1e-3)
    torch.testing.assert_close(
        of_patches, patch_token_contrast(features.float(), label), rtol=1e-2, atol=1e-3
    )

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.golden_cases import Case, golden
from torch import Tensor

from scribbleseg.inference import (
    cam_label,
    gate_cam,
    multi_scale_cam,
    refined_label,
    region_map,
    three_level_label,
)


@golden("cdsp", "toco_multiscale_cam")
def test_maps_as_in_toco(case: Case) -> None:
    weights = [torch.tensor(case[f"{branch}_weight"]) for branch in ("main", "aux")]
    found = multi_scale_cam(
        lambda view: [F.conv2d(view, weight, stride=4) for weight in weights],
        torch.tensor(case["input"]),
        scales=case["scales"].tolist(),
    )
    for cam, name in zip(found, ("cam", "cam_aux"), strict=True):
        np.testing.assert_allclose(cam, case[name], rtol=1e-9, atol=1e-12)


@golden("cdsp", "toco_cam")
def test_labels_as_in_toco(case: Case) -> None:
    cam, images = torch.tensor(case["cam"]), torch.tensor(case["image01"])
    tags = F.pad(torch.tensor(case["class_onehot"]), (1, 0), value=1)
    valid = torch.zeros(cam.shape[0], *cam.shape[2:], dtype=torch.bool)
    for inside, (top, bottom, left, right) in zip(valid, case["img_box"], strict=True):
        inside[top:bottom, left:right] = True
    level: dict[str, Any] = {"low": case["low_thre"], "high": case["high_thre"]}
    found = {
        "valid_cam": gate_cam(cam, tags),
        "label_plain": cam_label(cam, tags, threshold=case["bkg_thre"]),
        "label_three_level": three_level_label(cam, tags, **level, valid=valid),
        "roi_mask": region_map(cam, tags, **level),
        "refined_label": refined_label(images, cam, tags, **level, valid=valid),
    }
    assert set(found) < set(case)
    for name, values in found.items():
        np.testing.assert_array_equal(values, case[name], err_msg=name)


def drawn(seed: int, size: tuple[int, int] = (9, 7)) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, maps of three classes, tags of four."""
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.random((2, 3, *size)))
    cam = torch.from_numpy(rng.random((2, 3, *size)))
    tags = torch.from_numpy((rng.random((2, 4)) < 0.6).astype(np.float32))
    return images, cam, tags


LEVEL: dict[str, float] = {"low": 0.25, "high": 0.7}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), height=st.integers(1, 9), width=st.integers(1, 9))
def test_labels_name_the_images_own_classes_only(seed: int, height: int, width: int) -> None:
    images, cam, tags = drawn(seed, (height, width))
    levels = three_level_label(cam, tags, **LEVEL)
    found = [cam_label(cam, tags, threshold=0.5), levels, refined_label(images, cam, tags, **LEVEL)]
    for label in found:
        assert label.dtype == torch.int64
        for own, classes in zip(label, tags, strict=True):
            present = {0, 255, *(1 + classes[1:].nonzero().flatten()).tolist()}
            assert set(own.flatten().tolist()) <= present
    regions = region_map(cam, tags, **LEVEL)
    assert torch.equal(regions == 0, levels == 0)
    assert torch.equal(regions == 2, (levels > 0) & (levels < 255))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_an_image_does_not_depend_on_the_others_of_its_batch(seed: int) -> None:
    images, cam, tags = drawn(seed)
    together = refined_label(images, cam, tags, **LEVEL)
    for i in range(2):
        own = refined_label(*(values[i : i + 1] for values in (images, cam, tags)), **LEVEL)
        assert torch.equal(own, together[i : i + 1])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_renaming_classes_and_mirroring_rename_and_mirror_labels(seed: int) -> None:
    images, cam, tags = drawn(seed, (8, 6))
    label = refined_label(images, cam, tags, **LEVEL)
    turned = refined_label(images, cam.flip(1), F.pad(tags[:, 1:].flip(1), (1, 0)), **LEVEL)
    objects = (label > 0) & (label < 255)
    assert torch.equal(turned, torch.where(objects, 4 - label, label))
    mirrored = refined_label(images.flip(-1), cam.flip(-1), tags, **LEVEL)
    assert torch.equal(mirrored.flip(-1), label)


def test_no_class_at_all_is_background() -> None:
    images, cam, _ = drawn(0)
    tags = torch.tensor([[1.0, 0, 0, 0]] * 2)
    assert not cam_label(cam, tags, threshold=0.5).any()
    assert not three_level_label(cam, tags, **LEVEL).any()
    assert not region_map(cam, tags, **LEVEL).any()
    assert not refined_label(images, cam, tags, **LEVEL).any()


def test_padding_and_undecided_pixels_have_the_ignore_value() -> None:
    images, cam, tags = drawn(1)
    valid = torch.zeros(2, 9, 7, dtype=torch.bool)
    valid[0, 2:5] = True
    for make in (three_level_label, lambda *rest, **how: refined_label(images, *rest, **how)):
        label = make(cam, tags, **LEVEL, valid=valid, ignore_index=65535)
        assert (label[~valid] == 65535).all()
        whole = make(cam, tags, **LEVEL)
        wanted = torch.where(whole == 255, 65535, whole)
        assert torch.equal(label[valid], wanted[valid])


def test_inputs_are_unchanged_and_nothing_has_a_gradient() -> None:
    images, cam, tags = drawn(2)
    before = [values.clone() for values in (images, cam, tags)]
    cam.requires_grad_()
    weight = torch.randn(3, 3, 1, 1, dtype=torch.float64, requires_grad=True)
    outputs = [
        *multi_scale_cam(lambda view: [F.conv2d(view, weight)], images),
        region_map(cam, tags, **LEVEL),
        three_level_label(cam, tags, **LEVEL),
        refined_label(images, cam, tags, **LEVEL),
    ]
    assert not any(output.requires_grad for output in outputs)
    after = (images, cam.detach(), tags)
    assert all(map(torch.equal, after, before))


@pytest.mark.parametrize("size", [(16, 24), (17, 30), (1, 1)])
def test_views_have_whole_patches_and_maps_the_pictures_size(size: tuple[int, int]) -> None:
    seen = []

    def activation(view: Tensor) -> list[Tensor]:
        seen.append(tuple(view.shape))
        return [F.avg_pool2d(view[:, :2], 8)]

    (cam,) = multi_scale_cam(activation, torch.randn(2, 3, *size), stride=8)
    assert cam.shape == (2, 2, *size)
    assert len(seen) == 3
    assert all(n == 4 and h % 8 == w % 8 == 0 and h > 0 < w for n, _, h, w in seen)
    if size == (16, 24):
        assert [shape[2:] for shape in seen] == [(16, 24), (8, 16), (24, 40)]


def test_mirrored_pictures_have_mirrored_maps() -> None:
    images, weight = torch.randn(2, 3, 12, 16), torch.randn(2, 3, 3, 3)

    def activation(view: Tensor) -> list[Tensor]:
        return [F.conv2d(view, weight, padding=1)]

    (cam,) = multi_scale_cam(activation, images)
    (mirrored,) = multi_scale_cam(activation, images.flip(-1))
    torch.testing.assert_close(mirrored.flip(-1), cam)
    assert torch.equal(cam.amin(dim=(-2, -1)), torch.zeros(2, 2))
    torch.testing.assert_close(cam.amax(dim=(-2, -1)), torch.ones(2, 2), rtol=0, atol=1e-4)


def test_maps_of_half_precision_are_added_up_in_single() -> None:
    (cam,) = multi_scale_cam(lambda view: [view.bfloat16()], torch.randn(1, 2, 4, 4))
    assert cam.dtype == torch.float32


def test_labels_move_to_the_edge() -> None:
    """A blurred map of a bright square becomes the square; what lies between is undecided."""
    rows = torch.arange(64)
    inside = (rows >= 20) & (rows < 44)
    truth = inside[:, None] & inside
    images = truth.float().expand(1, 3, 64, 64).clone()
    images += 0.03 * torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    blurred = torch.sigmoid(7 - (rows - 30).abs() / 2)  # wider than the square, and shifted
    cam = (blurred[:, None] * blurred)[None, None]
    tags = torch.ones(1, 2)
    before = three_level_label(cam, tags, **LEVEL)[0]
    after = refined_label(images, cam, tags, **LEVEL)[0]
    wrong = [((label < 255) & (label.bool() != truth)).sum() for label in (before, after)]
    assert wrong[1] < 0.4 * wrong[0]
    assert (after[truth] == 1).float().mean() > 0.8

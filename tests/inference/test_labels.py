from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scribbleseg.data.normalisation import Normalisation
from scribbleseg.inference import Inference, labels, predict
from scribbleseg.inference.labels import tiles

SAME = Normalisation((0.0,), (1.0,))


def blurred(images: Tensor) -> Tensor:
    """Three classes that depend on a pixel and its neighbours."""
    soft = F.avg_pool2d(F.pad(images, (2,) * 4, mode="replicate"), 5, stride=1)
    return torch.cat([soft, 1 - soft, 0.6 - (soft - images).abs()], dim=1)


def noise(*size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(1, 1, *(-(-side // 8) for side in size), generator=generator)
    large = F.interpolate(small, scale_factor=8, mode="bilinear")[..., : size[0], : size[1]]
    return (255 * large).byte()


def run(images: Tensor, size: tuple[int, int], how: Inference = Inference(), **options: Any) -> Any:
    (decision,) = predict(blurred, images, [size] * len(images), SAME, how, **options)
    return decision


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 17), st.integers(0, 9))
def test_tiles_cover_a_picture_once(height: int, width: int, side: int, margin: int) -> None:
    count = np.zeros((height, width), int)
    for outer, inner, place in tiles((height, width), side, margin):
        part = np.arange(height * width).reshape(height, width)[outer]
        assert max(part.shape) <= side + 2 * margin
        np.testing.assert_array_equal(
            part[inner], np.arange(height * width).reshape(height, width)[place]
        )
        count[place] += 1
    assert (count == 1).all()


@pytest.mark.parametrize("confidence", [False, True])
def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch, confidence: bool) -> None:
    """The margin is wider than what this network sees."""
    images = noise(600, 300)
    whole = run(images, (600, 300), confidence=confidence)
    tiled = run(images, (600, 300), Inference(tile=256), confidence=confidence)
    assert torch.equal(whole.label, tiled.label)
    assert len(whole.label.unique()) == 3
    assert not confidence or torch.equal(whole.confidence, tiled.confidence)


def test_a_tile_has_the_scale_of_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def net(images: Tensor) -> Tensor:
        seen.append(tuple(images.shape[-2:]))
        return blurred(images)

    predict(net, noise(1000, 400), [(1000, 400)], SAME, Inference(tile=400, long_side=500))
    assert max(height for height, _ in seen) <= (400 + 2 * labels.MARGIN) // 2
    seen.clear()
    predict(net, noise(200, 400), [(200, 400)], SAME, Inference(long_side=100))
    assert seen == [(50, 100)]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(97, 51), (13, 200), (1, 1)])
def test_bands_are_the_whole(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], align_corners: bool
) -> None:
    how = Inference(align_corners=align_corners)
    images = noise(40, 32)
    whole = run(images, size, how, confidence=True)
    wanted = F.interpolate(
        blurred(SAME(images)), size, mode="bilinear", align_corners=align_corners
    )[0]
    assert torch.equal(whole.label, wanted.argmax(dim=0).byte())
    monkeypatch.setattr(labels, "BAND_VALUES", 3 * size[1] * 7)
    banded = run(images, size, how, confidence=True)
    top = wanted.topk(2, dim=0).values
    differs = whole.label != banded.label
    assert (top[0] - top[1])[differs].abs().max().item() < 1e-5 if differs.any() else True
    assert (whole.confidence.int() - banded.confidence.int()).abs().max() <= 1


def test_tags_restrict_the_decision_and_its_confidence() -> None:
    images = noise(20, 30)
    tags = torch.tensor([[1.0, 0.0, 1.0]])
    free, bound = run(images, (20, 30)), run(images, (20, 30), tags=tags, confidence=True)
    assert 1 in free.label
    assert 1 not in bound.label
    logits = blurred(SAME(images))[0, [0, 2]]
    prob = logits.softmax(dim=0).max(dim=0).values
    assert (bound.confidence - (255 * prob).round()).abs().max() <= 1
    for combine in ("probability", "cdsp_order"):
        how = Inference((1.0, 1.0), combine=combine)  # type: ignore[arg-type]
        other = run(images, (20, 30), how, tags=tags, confidence=True)
        assert torch.equal(other.label, bound.label)
        assert (other.confidence.int() - bound.confidence.int()).abs().max() <= 1


def test_each_picture_of_a_batch_has_its_own_size_and_tags() -> None:
    images = torch.cat([noise(20, 30), noise(20, 30).flip(-1)])
    tags = torch.tensor([[1.0, 1, 1], [1, 0, 0]])
    first, second = predict(blurred, images, [(20, 30), (9, 60)], SAME, Inference(), tags=tags)
    assert torch.equal(first.label, run(images[:1], (20, 30)).label)
    assert second.label.shape == (9, 60)
    assert not second.label.any()


@pytest.mark.parametrize("refine", ["par", "crf_blpseg"])
def test_refinement_removes_what_the_picture_does_not_show(refine: Any) -> None:
    truth = torch.zeros(40, 56, dtype=torch.long)
    truth[10:30, 14:42] = 1
    images = (60 + 120 * truth).byte()[None, None]

    def net(images: Tensor) -> Tensor:
        shown = (images > 0.5).float()
        noisy = (shown * 2 - 1) + 1.6 * torch.randn(
            shown.shape, generator=torch.Generator().manual_seed(0)
        )
        return torch.cat([-noisy, noisy], dim=1)

    wrong = {}
    for how in (Inference(), Inference(refine=refine)):
        (decision,) = predict(net, images, [(40, 56)], SAME, how)
        wrong[how.refine] = (decision.label != truth).float().mean().item()
    assert wrong["none"] > 0.15
    assert wrong[refine] < 0.03


def test_more_than_255_classes() -> None:
    def net(images: Tensor) -> Tensor:
        return F.one_hot(torch.full((1, 4, 4), 299), 300).movedim(-1, 1).float()

    (decision,) = predict(net, noise(4, 4), [(4, 4)], SAME, Inference())
    assert decision.label.dtype == torch.int32
    assert (decision.label == 299).all()

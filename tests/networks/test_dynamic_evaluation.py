import pytest
import torch
from tests.golden_cases import Case, golden

from scribbleseg.networks.dynamic_evaluation import (
    DynamicEvaluation,
    pixel_counts,
    sample_weight,
)

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@golden("lpl", "dyneval")
@pytest.mark.parametrize("suffix", ["", "_labelled_only"])
def test_golden_counts(case: Case, suffix: str) -> None:
    meter = DynamicEvaluation(case["num_classes"], momentum=case["momentum"]).double()
    meter.counts.copy_(torch.tensor(case["state_init"]))
    for label, prediction, state, iou in zip(
        *(torch.tensor(case[name]) for name in ("label", "pred", "state" + suffix, "iou" + suffix)),
        strict=True,
    ):
        scored = label != 255 if suffix else torch.ones_like(label, dtype=torch.bool)
        meter.update(label, prediction, scored)
        torch.testing.assert_close(meter.counts, state, **CLOSE)
        torch.testing.assert_close(meter.iou, iou, **CLOSE)


@golden("lpl", "weight")
def test_golden_weights(case: Case) -> None:
    weight = sample_weight(
        torch.tensor(case["iou"]), torch.tensor(case["tags"])[..., 0, 0], power=case["power"]
    )
    torch.testing.assert_close(weight, torch.tensor(case["weight"])[:, 0, 0], **CLOSE)


def test_a_tagged_class_with_nothing_right_blocks_if_asked() -> None:
    iou, tags = torch.tensor([0.5, 0.0]), torch.tensor([[1, 1], [1, 0], [0, 0]])
    assert sample_weight(iou, tags, power=1).tolist() == [0.5, 0.5, 1.0]
    assert sample_weight(iou, tags, power=1, zero_iou="block").tolist() == [0.0, 0.5, 1.0]
    assert sample_weight(iou, tags, power=0).tolist() == [1.0, 1.0, 1.0]


def test_a_class_that_never_occurs_stays_at_0() -> None:
    """As published its union becomes 0 where denormal numbers are flushed, and the score NaN."""
    meter = DynamicEvaluation(2, momentum=0.0)
    label = torch.zeros(1, 2, 2, dtype=torch.long)
    meter.update(label, label, label == 0)
    assert meter.iou.tolist() == [1.0, 0.0]


def test_nothing_labelled_leaves_the_score() -> None:
    meter = DynamicEvaluation(3)
    label, prediction = torch.randint(3, (2, 1, 8, 8))
    meter.update(label, prediction, label != 255)
    before = meter.iou
    nothing = torch.full_like(label, 255)
    meter.update(nothing, prediction, nothing != 255)
    torch.testing.assert_close(meter.iou, before)


def test_float32_counts_stay_exact_enough() -> None:
    """50 images of 384 x 384 pixels, a hundred steps: the size of the published counts."""
    single, double = DynamicEvaluation(2), DynamicEvaluation(2).double()
    for step in range(300):
        for meter in (single, double):
            found = torch.tensor([[700_000 + step, 37_281], [650_000, 87_280], [645_001, step]])
            meter.counts.mul_(meter.momentum).add_(found)
    torch.testing.assert_close(single.iou.double(), double.iou, rtol=1e-5, atol=1e-7)


def test_counts_of_a_picture() -> None:
    label, prediction = torch.tensor([[[0, 1, 255, 1]]]), torch.tensor([[[0, 0, 2, 1]]])
    everywhere = torch.ones(1, 1, 4, dtype=torch.bool)
    counts = pixel_counts(label, prediction, everywhere, num_classes=3)
    assert counts.tolist() == [[1, 2, 0], [2, 1, 1], [1, 1, 0]]
    counts = pixel_counts(label, prediction, label != 255, num_classes=3)
    assert counts.tolist() == [[1, 2, 0], [2, 1, 0], [1, 1, 0]]
    assert counts.dtype == torch.int64

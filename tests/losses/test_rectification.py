import pytest
import torch
from tests.golden_cases import Case, golden

from scribbleseg.losses import rectification_loss


@golden("cdsp", "lorm")
def test_golden(case: Case) -> None:
    loss = rectification_loss(torch.tensor(case["features"]), torch.tensor(case["rectified"]))
    assert loss.item() == pytest.approx(case["loss"], rel=1e-9)


def test_elements_that_agree_do_not_count() -> None:
    features = torch.tensor([3.0, 1.0, 0.0], requires_grad=True)
    loss = rectification_loss(features, torch.tensor([1.0, 1.0, 0.0]))
    loss.backward()
    assert loss.item() == 4
    assert features.grad is not None
    assert features.grad.tolist() == [4.0, 0.0, 0.0]

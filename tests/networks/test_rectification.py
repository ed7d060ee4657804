import pytest
import torch
from tests.golden_cases import Case, golden

from scribbleseg.losses import rectification_loss
from scribbleseg.networks.rectification import LocalizationRectification, foreground_on_map

PARAMETERS = {
    "query.weight": "query_weight",
    "query.bias": "query_bias",
    "key.weight": "key_weight",
    "key.bias": "key_bias",
    "gamma": "gamma",
}


def module_of(case: Case) -> LocalizationRectification:
    module = LocalizationRectification(case["features"].shape[1]).double()
    state = {
        name: torch.as_tensor(case[theirs], dtype=torch.float64).reshape(
            module.get_parameter(name).shape
        )
        for name, theirs in PARAMETERS.items()
    }
    module.load_state_dict(state)
    return module


@golden("cdsp", "lorm")
def test_golden(case: Case) -> None:
    features = torch.tensor(case["features"], requires_grad=True)
    label = torch.tensor(case["pseudo_label"])
    before = label.clone()
    module = module_of(case)
    inside = foreground_on_map(label.long(), (features.shape[-2], features.shape[-1]))
    assert torch.equal(label, before)
    assert torch.equal(inside, torch.tensor(case["mask"]))
    rectified = module(features, inside)
    close = {"rtol": 1e-9, "atol": 1e-14}
    torch.testing.assert_close(rectified.detach(), torch.tensor(case["rectified"]), **close)
    loss = rectification_loss(features, rectified)
    loss.backward()
    assert loss.item() == pytest.approx(case["loss"], rel=1e-9)
    assert features.grad is not None
    torch.testing.assert_close(features.grad, torch.tensor(case["grad_features"]), **close)
    for name, theirs in PARAMETERS.items():
        gradient = module.get_parameter(name).grad
        assert gradient is not None
        right = torch.as_tensor(case[f"grad_{theirs}"], dtype=torch.float64).reshape(gradient.shape)
        torch.testing.assert_close(gradient, right, **close)


def test_a_common_factor_on_queries_or_keys_changes_nothing() -> None:
    module, features = LocalizationRectification(5), torch.rand(2, 5, 6, 7)
    inside = torch.rand(2, 6, 7) < 0.5
    before = module(features, inside)
    with torch.no_grad():
        for parameter in (module.query.weight, module.query.bias):
            parameter.mul_(3)  # type: ignore[union-attr]
    torch.testing.assert_close(module(features, inside), before)


def test_outside_objects_it_is_zero_and_inside_a_mean() -> None:
    module, features = LocalizationRectification(3), torch.rand(1, 3, 4, 4)
    inside = torch.zeros(1, 4, 4, dtype=torch.bool)
    assert (module(features, inside) == 0).all()
    inside[0, 1, 2] = True
    rectified = module(features, inside)
    assert (rectified[0, :, ~inside[0]] == 0).all()
    value = rectified[0, :, 1, 2]
    assert (value >= features[0].amin(dim=(1, 2))).all()
    assert (value <= features[0].amax(dim=(1, 2))).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_of_length_zero_have_finite_gradients(dtype: torch.dtype) -> None:
    module = LocalizationRectification(3)
    features = torch.rand(1, 3, 4, 4)
    features[:, :, :2] = 0
    features.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        rectified = module(features, torch.ones(1, 4, 4, dtype=torch.bool))
        rectification_loss(features, rectified).backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)
    assert features.grad.abs().max() < 1e3

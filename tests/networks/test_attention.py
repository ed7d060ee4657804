import pytest
import torch

from scribbleseg.networks import attention
from scribbleseg.networks.attention import attend


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("pairs", [1, 40, 1 << 22])
def test_equal_to_the_whole_matrix(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "PAIRS", pairs)
    query, key, value = random(7, 3), random(9, 3), random(9, 4)
    whole = (query @ key.T).softmax(dim=1) @ value
    weight = torch.randn(7, 4, dtype=torch.float64)
    expected = torch.autograd.grad((whole * weight).sum(), (query, key, value))
    result = attend(query, key, value)
    torch.testing.assert_close(result, whole)
    found = torch.autograd.grad((result * weight).sum(), (query, key, value))
    for gradient, right in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, right)


def test_no_target() -> None:
    query, key, value = random(0, 3), random(5, 3), random(5, 2)
    result = attend(query, key, value)
    assert result.shape == (0, 2)
    result.sum().backward()
    assert value.grad is not None
    assert (value.grad == 0).all()


def test_autocast_does_not_change_the_weights() -> None:
    query, key, value = random(6, 3), random(8, 3), random(8, 2)
    arguments = [tensor.detach().float() for tensor in (query, key, value)]
    with torch.autocast("cpu", torch.bfloat16):
        result = attend(*arguments)
    torch.testing.assert_close(result, attend(*arguments))

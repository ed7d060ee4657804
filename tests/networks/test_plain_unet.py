import pytest
import torch
from torch import nn

from scribbleseg.networks import PlainUNet


def test_the_small_acdc_network_has_the_stated_size() -> None:
    net = PlainUNet(4, 1, widths=(8, 16, 32, 64, 128))
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(0.49e6, rel=0.01)
    assert not any(isinstance(m, nn.Dropout) and m.p > 0 for m in net.modules())


def test_dropout_goes_into_the_encoder_levels() -> None:
    net = PlainUNet(2, 1, widths=(2, 4, 8), dropout=(0.05, 0.1, 0.2))
    assert [m.p for m in net.encoder.modules() if isinstance(m, nn.Dropout)] == [0.05, 0.1, 0.2]


@pytest.mark.parametrize("size", [(32, 48), (33, 17), (1, 1)])
def test_logits_have_the_pictures_size(size: tuple[int, int]) -> None:
    net = PlainUNet(5, 3, widths=(2, 4, 8)).eval()
    assert net(torch.zeros(2, 3, *size)).shape == (2, 5, *size)


def test_features_and_head_make_up_the_network() -> None:
    net = PlainUNet(3, 1, widths=(2, 4, 8)).eval()
    image = torch.randn(2, 1, 16, 24)
    features = net.features(image)
    assert [tuple(f.shape[1:]) for f in features] == [(2, 16, 24), (4, 8, 12), (8, 4, 6)]
    torch.testing.assert_close(net.head(features), net(image))


def test_features_refuse_a_size_that_does_not_divide() -> None:
    with pytest.raises(ValueError, match="features\\(\\) got 10x8 pixels, which 4 does not divide"):
        PlainUNet(3, 1, widths=(2, 4, 8)).features(torch.zeros(1, 1, 8, 10))


def test_every_weight_gets_a_gradient() -> None:
    net = PlainUNet(3, 1, widths=(2, 4, 8))
    net(torch.randn(2, 1, 8, 8)).square().mean().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_impossible_widths() -> None:
    with pytest.raises(ValueError, match=r"widths has 1 level\(s\)"):
        PlainUNet(2, 1, widths=(4,))
    with pytest.raises(ValueError, match="dropout has 1 rates for 2 levels"):
        PlainUNet(2, 1, widths=(4, 8), dropout=(0.1,))

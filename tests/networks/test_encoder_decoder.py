from typing import Any

import pytest
import torch

from scribbleseg.errors import ConfigError
from scribbleseg.networks import DeepLabV3Plus, Segformer, UNet

CASES: list[tuple[Any, dict[str, Any]]] = [
    (UNet, {"encoder": "resnet18"}),
    (UNet, {"encoder": "tu-test_resnet"}),
    (UNet, {"encoder": "tu-test_convnext"}),
    (DeepLabV3Plus, {"encoder": "tu-test_resnet", "decoder_channels": 16}),
    (DeepLabV3Plus, {"encoder": "resnet18", "output_stride": 8, "decoder_channels": 16}),
    (Segformer, {"encoder": "mit_b0", "decoder_channels": 16}),
    (Segformer, {"encoder": "tu-test_convnext", "decoder_channels": 16}),
]
every_network = pytest.mark.parametrize(
    ("network", "options"), CASES, ids=[f"{n.__name__}-{o['encoder']}" for n, o in CASES]
)


@every_network
@pytest.mark.parametrize("in_channels", [1, 3])
def test_any_size_any_channels(network: Any, options: dict[str, Any], in_channels: int) -> None:
    net = network(5, in_channels, **options).eval()
    with torch.inference_mode():
        assert net(torch.zeros(2, in_channels, 65, 97)).shape == (2, 5, 65, 97)


@every_network
def test_features_and_head_make_up_the_network(network: Any, options: dict[str, Any]) -> None:
    net = network(3, 3, **options).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        features = net.features(image)
        torch.testing.assert_close(net.head(features), net(image))
    assert all(f.shape[1] > 0 for f in features)
    sides = [f.shape[-1] for f in features[1:]]
    assert sides == sorted(sides, reverse=True)
    with pytest.raises(ValueError, match=f"which {net.stride} does not divide"):
        net.features(torch.zeros(1, 3, 65, 96))


def test_unknown_encoders_get_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"no encoder 'resnet19'; did you mean .*resnet18"):
        UNet(2, encoder="resnet19")
    with pytest.raises(
        ConfigError, match=r"no encoder 'tu-convnxt_tiny'; did you mean tu-convnext_tiny"
    ):
        UNet(2, encoder="tu-convnxt_tiny")


def test_an_encoder_that_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="encoder 'vgg11' does not fit DeepLabV3Plus"):
        DeepLabV3Plus(2, encoder="vgg11")

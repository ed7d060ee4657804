from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from scribbleseg.errors import ConfigError
from scribbleseg.networks import DeepLabV3Plus, PlainUNet, Segformer, UNet
from scribbleseg.networks.two_decoders import DecodingNetwork, decoder_only

NETWORKS = [
    partial(PlainUNet, widths=(4, 8, 12)),
    partial(UNet, encoder="resnet18"),
    partial(DeepLabV3Plus, encoder="resnet18"),
    partial(Segformer, encoder="mit_b0"),
]
every_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.func.__name__)


@every_network
def test_encoder_and_decoder_make_the_network(network: Any) -> None:
    net = network(3, 3).eval()
    assert isinstance(net, DecodingNetwork)
    image = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        assert torch.equal(net.decode(net.encode(image)), net(image))


@every_network
def test_a_second_decoder_has_other_weights_and_no_encoder(network: Any) -> None:
    net, second = network(3, 3).eval(), decoder_only(network, 3, 3).eval()
    assert isinstance(second, DecodingNetwork)
    wanted = {n for n, _ in net.named_parameters() if not n.startswith("encoder.")}
    assert {name for name, _ in second.named_parameters()} == wanted
    maps = net.encode(torch.randn(1, 3, 64, 32))
    main, other = net.decode(maps), second.decode(maps)
    assert main.shape == other.shape
    assert not torch.allclose(main, other)


def test_other_networks_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.network: Conv2d has no encoder .*; take Plain"):
        decoder_only(lambda classes, channels: nn.Conv2d(channels, classes, 1), 3, 3)

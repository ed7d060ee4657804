import resource
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scribbleseg import networks
from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange import ModelDescription, NetworkSpec, Picture
from scribbleseg.exchange.model_folder import read_folder, save_folder
from scribbleseg.exchange.network_builder import (
    differences,
    known_networks,
    network_with_weights,
    shapes_of,
)
from scribbleseg.networks import (
    Aggregated,
    AggregatedUPerNet,
    DeepLabV3Plus,
    MultiGridDeepLab,
    PlainDeepLab,
    PlainUNet,
    Segformer,
    ToCoViT,
    UNet,
)


def described(name: str, **arguments: Any) -> ModelDescription:
    return ModelDescription(NetworkSpec(name, arguments), ("a", "b"))


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        (PlainUNet, {"widths": [2, 4]}),
        (UNet, {"encoder": "tu-test_resnet", "decoder_channels": [8, 8, 8, 4, 4]}),
        (DeepLabV3Plus, {"encoder": "tu-test_resnet", "decoder_channels": 8}),
        # reads its drop rates from a linspace while it is built
        (Segformer, {"encoder": "mit_b0", "decoder_channels": 8}),
        (AggregatedUPerNet, {"encoder": "tu-test_resnet", "channels": 8}),
        (MultiGridDeepLab, {"depth": 50, "head": "v2"}),
        (PlainDeepLab, {"encoder": "tu-test_resnet", "atrous_rates": [1, 2, 3], "channels": 8}),
        (ToCoViT, {"encoder": "test_vit", "patch_size": 8, "depth": 2, "aux_block": 0}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_networks_are_rebuilt(network: Any, arguments: dict[str, Any]) -> None:
    net = network(2, 3, **arguments).eval()
    before = torch.get_rng_state()
    again = network_with_weights(described(network.__name__, **arguments), net.state_dict(), "x")
    assert torch.equal(torch.get_rng_state(), before)
    image = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(again(image), net(image), rtol=0, atol=0)


INSIDE = NetworkSpec("PlainUNet", {"widths": [2, 4]})


def test_a_network_inside_a_network_is_rebuilt(tmp_path: Path) -> None:
    net = Aggregated(
        2, 3, base=partial(PlainUNet, widths=(2, 4)), patch=2, embedding_channels=4
    ).eval()
    model = described("Aggregated", base=INSIDE, patch=2, embedding_channels=4)
    save_folder(net, tmp_path / "m", model)
    again, found = read_folder(tmp_path / "m")
    assert found.network == model.network
    image = torch.randn(1, 3, 13, 16)
    with torch.inference_mode():
        torch.testing.assert_close(again(image), net(image), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (NetworkSpec("os.system"), "network 'os.system' is not one of"),
        (NetworkSpec("PlainUNet", {"hook": 1}), "PlainUNet has no argument 'hook'"),
        (NetworkSpec("PlainUNet", {"widths": "abc"}), r"PlainUNet\.widths: abc is not"),
        (NetworkSpec("PlainUNet", {"widths": INSIDE}), r"PlainUNet\.widths: .* is not"),
        (NetworkSpec("PlainUNet", {"widths": [4]}), r"Aggregated cannot be built: widths has 1"),
        ("PlainUNet", r"Aggregated\.base: PlainUNet is not"),
        ({"name": "PlainUNet"}, r"Aggregated\.base: .* is not"),
    ],
)
def test_what_cannot_be_inside(base: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=f"x: .*{message}"):
        network_with_weights(described("Aggregated", base=base), {}, "x")


def test_weights_inside_are_never_downloaded_and_own_classes_are_found() -> None:
    segformer = NetworkSpec("UNet", {"encoder": "resnet18", "weights": "imagenet"})
    problems = differences(described("Aggregated", base=segformer), {})
    assert any("base.encoder.conv1" in problem for problem in problems)
    with pytest.raises(ConfigError, match="Own has no with_semantic_map"):
        differences(described("Aggregated", base=NetworkSpec("Own")), {}, {"Own": Own})


def test_every_network_of_the_library_can_be_named() -> None:
    assert set(known_networks()) == set(networks.__all__)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (described("os.system"), "network 'os.system' is not one of .*DeepLabV3Plus, .*hand yours"),
        (described("PlainUNt"), "did you mean PlainUNet"),
        (described("PlainUNet", hook=1), "PlainUNet has no argument 'hook'"),
        (described("PlainUNet", num_classes=7), "PlainUNet has no argument 'num_classes'"),
        (described("PlainUNet", widths="abc"), r"PlainUNet\.widths: abc is not"),
        (described("PlainUNet", widths=[4]), r"cannot be built: widths has 1 level\(s\)"),
        (described("PlainUNet", upsampling="x"), "x is not one of transposed, bilinear"),
        (described("PlainUNet", widths=[-1, 2]), "PlainUNet cannot be built"),
        (described("UNet", encoder="resnet19"), "no encoder 'resnet19'"),
        (described("PlainUNet", widths=[2, 8]), r"not those of a PlainUNet with 2 classes and 3 "),
    ],
)
def test_what_cannot_be_built(model: ModelDescription, message: str) -> None:
    state = PlainUNet(2, 3, widths=(2, 4)).state_dict()
    with pytest.raises(CheckpointError, match=f"x: .*{message}"):
        network_with_weights(model, state, "x")


def test_an_enormous_network_takes_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for model in (
        described("PlainUNet", widths=[1 << 20] * 4),
        described("Segformer", encoder="mit_b0", decoder_channels=1 << 18),
    ):
        with pytest.raises(CheckpointError, match=r"is missing; .*differences"):
            network_with_weights(model, {}, "x")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_other_classes_and_channels_are_named() -> None:
    model = described("PlainUNet", widths=[2, 4])
    state = PlainUNet(3, 1, widths=(2, 4)).state_dict()
    assert differences(model, shapes_of(state)) == [
        "encoder.0.0.weight is (2, 1, 3, 3), expected (2, 3, 3, 3)",
        "classifier.weight is (3, 2, 3, 3), expected (2, 2, 3, 3)",
        "classifier.bias is (3,), expected (2,)",
    ]
    grey = replace(model, class_names=("a", "b", "c"), palette=(), picture=Picture("L", (0,), (1,)))
    assert differences(grey, shapes_of(state)) == []


def test_values_that_are_not_finite() -> None:
    state = PlainUNet(2, 3, widths=(2, 4)).state_dict()
    state["classifier.bias"][0] = torch.nan
    with pytest.raises(CheckpointError, match=r"x: classifier\.bias holds values .* not finite"):
        network_with_weights(described("PlainUNet", widths=[2, 4]), state, "x")


def test_pretrained_weights_are_never_downloaded() -> None:
    arguments = {"encoder": "resnet18", "decoder_channels": [8, 8, 8, 4, 4]}
    net = UNet(2, 3, **arguments)
    for weights in ("imagenet", "/etc/passwd"):
        model = described("UNet", weights=weights, **arguments)
        network_with_weights(model, net.state_dict(), "x")


class Own(nn.Module):
    """A network of a user's own, which cannot be built without memory."""

    def __init__(self, num_classes: int, in_channels: int, *, kernel: int = 1) -> None:
        super().__init__()
        assert torch.ones(1).item() == 1
        self.conv = nn.Conv2d(in_channels, num_classes, kernel, padding=kernel // 2)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.conv(image)
        return logits


def test_own_networks_are_handed_over() -> None:
    model, state = described("Own", kernel=3), Own(2, 3, kernel=3).state_dict()
    assert isinstance(network_with_weights(model, state, "x", {"Own": Own}), Own)
    with pytest.raises(CheckpointError, match="'Own' is not one of"):
        network_with_weights(model, state, "x")
    with pytest.raises(ConfigError, match=r"Own\.kernel: 1\.5 is not int"):
        differences(described("Own", kernel=1.5), {}, {"Own": Own})

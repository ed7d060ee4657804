import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange import (
    ModelDescription,
    NetworkSpec,
    Parity,
    Picture,
    Predictor,
    export_onnx,
)
from scribbleseg.networks import (
    Aggregated,
    DeepLabV3Plus,
    MultiGridDeepLab,
    PlainDeepLab,
    PlainUNet,
    ToCoViT,
    UNet,
)

ENCODER = {"encoder": "tu-test_resnet"}
CASES: list[tuple[Any, dict[str, Any], Picture]] = [
    (PlainUNet, {"widths": [2, 4]}, Picture("L", (0.25,), (0.5,), (32, 48))),
    (UNet, {**ENCODER, "decoder_channels": [8, 8, 8, 4, 4]}, Picture()),
    (DeepLabV3Plus, {**ENCODER, "decoder_channels": 8}, Picture()),
    (PlainDeepLab, {**ENCODER, "channels": 8}, Picture()),
    (
        Aggregated,
        {"base": partial(PlainUNet, widths=(2, 4)), "embedding_channels": 4},
        Picture("L", (0.25,), (0.5,)),
    ),
    (
        ToCoViT,
        {"encoder": "test_vit", "depth": 1, "aux_block": 0, "decoder_channels": 8},
        Picture(),
    ),
]


def described(name: str = "PlainUNet", **arguments: Any) -> ModelDescription:
    return ModelDescription(NetworkSpec(name, arguments), ("ground", "cell", "edge"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recording takes seconds: what one test has written the others look at."""
    return tmp_path_factory.mktemp("onnx")


@pytest.mark.parametrize(
    ("network", "arguments", "picture"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_any_number_and_size(
    network: Any,
    arguments: dict[str, Any],
    picture: Picture,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    torch.manual_seed(0)
    net = network(3, picture.in_channels, **arguments).eval()
    model = replace(described(network.__name__, **arguments), picture=picture)
    path = folder / network.__name__ / "m.onnx"
    parity = export_onnx(net, path, model)
    assert capfd.readouterr() == ("", "")
    assert list(path.parent.iterdir()) == [path]
    assert parity.difference < 1e-5 * max(1, parity.largest)

    found = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    predictor = Predictor(net, replace(model, picture=replace(picture, resize=None)))
    rng = np.random.default_rng(1)
    for count, height, width in ((1, 1, 1), (1, 53, 200), (4, 32, 32)):
        noise = rng.integers(0, 256, (count, height, width, picture.in_channels)).astype(np.uint8)
        (logits,) = found.run(None, {"image": noise.transpose(0, 3, 1, 2)})
        assert logits.shape == (count, 3, height, width)
        labels = np.stack(predictor(list(noise.squeeze(-1) if noise.shape[-1] == 1 else noise)))
        # a pixel may be undecided to the last digit
        assert (logits.argmax(axis=1) == labels).mean() > 0.999


@pytest.mark.slow
def test_a_network_that_takes_any_size_without_padding(folder: Path) -> None:
    torch.manual_seed(0)
    net = MultiGridDeepLab(3, 3, depth=50).eval()
    encoder: Any = net.encoder
    # One block a layer is enough to record what depends on the size, and takes a third of the time.
    encoder.layer1, encoder.layer2 = encoder.layer1[:1], encoder.layer2[:1]
    encoder.layer3, encoder.layer4 = encoder.layer3[:1], encoder.layer4[:1]
    path = folder / "MultiGridDeepLab" / "m.onnx"
    parity = export_onnx(net, path, described("MultiGridDeepLab", depth=50))
    assert parity.difference < 1e-5 * max(1, parity.largest)
    found = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for height, width in ((1, 1), (30, 57)):
        noise = np.zeros((1, 3, height, width), np.uint8)
        assert found.run(None, {"image": noise})[0].shape == (1, 3, height, width)


@pytest.fixture(scope="module")
def grey(folder: Path) -> Path:
    """The file of the first case."""
    path = folder / "PlainUNet/m.onnx"
    if not path.is_file():
        _, arguments, picture = CASES[0]
        model = replace(described(**arguments), picture=picture)
        export_onnx(PlainUNet(3, 1, **arguments), path, model)
    return path


def test_the_file_says_what_it_is(grey: Path) -> None:
    proto = onnx.load(grey)
    properties = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(properties["class_names"]) == ["ground", "cell", "edge"]
    assert json.loads(properties["palette"])[1] == [128, 0, 0]
    assert (properties["image_mode"], properties["mean"]) == ("L", "[0.25]")
    assert json.loads(properties["resize"]) == [32, 48]
    for value, channels in ((proto.graph.input[0], 1), (proto.graph.output[0], 3)):
        shape = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        assert shape == ["batch", channels, "height", "width"]
    assert proto.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_a_file_is_replaced_when_asked(grey: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, model = PlainUNet(3, 3, widths=(2, 4)), described(widths=[2, 4])
    with pytest.raises(ConfigError, match=r"m\.onnx: exists; replace it with --overwrite"):
        export_onnx(net, grey, model)
    for package in ("onnxscript", "onnxruntime"):
        with monkeypatch.context() as context:
            context.setitem(sys.modules, package, None)
            with pytest.raises(
                ConfigError,
                match=rf"needs {package}, which is not installed: pip install 'scribbleseg\[export",
            ):
                export_onnx(net, grey, model, overwrite=True)


class Odd(nn.Module):
    """A network of a user's own, which computes something else when it is recorded."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.conv, self.how = nn.Conv2d(3, 3, 1), how

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.conv(image)
        if self.how == "drifts":
            return logits + 0.1 * torch.compiler.is_compiling()
        if self.how == "looks":
            return logits * (2 if float(logits.mean()) > 0 else 1)
        return logits


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("drifts", r"not written: onnxruntime differs from torch by 0\.1 \(largest logit"),
        ("looks", "the network cannot be recorded: "),
    ],
)
def test_what_is_not_the_network_is_not_written(how: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"m\.onnx: {message}"):
        export_onnx(Odd(how), tmp_path / "m.onnx", described("Odd"))
    assert list(tmp_path.iterdir()) == []


def test_own_networks_need_no_stride(tmp_path: Path) -> None:
    parity = export_onnx(Odd(""), tmp_path / "m.onnx", described("Odd"))
    assert isinstance(parity, Parity)
    assert parity.difference < 1e-5


def test_too_large_for_one_file(tmp_path: Path) -> None:
    with torch.device("meta"):
        net = PlainUNet(3, 3, widths=(1 << 14, 1 << 14))
    with pytest.raises(CheckpointError, match=r"the weights take .* GB, an ONNX file holds 2 GB"):
        export_onnx(net, tmp_path / "m.onnx", described())

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.golden_cases import FOLDER, Case, golden
from tests.reference_weights import forget_reference_weights, reference_weights
from torch import Tensor

from scribbleseg.data.layouts.voc import LAYOUT as VOC
from scribbleseg.errors import CheckpointError
from scribbleseg.exchange import convert_checkpoint, load
from scribbleseg.exchange.convert import find_layout, translate
from scribbleseg.exchange.network_builder import shape_differences, shapes_of
from scribbleseg.networks import MultiGridDeepLab

LISTINGS = {
    "net_r50_deeplabv2_lorm": "cdsp_resnet50_deeplabv2_lorm_21",
    "net_r101_deeplabv3p_lorm": "csp_resnet101_deeplabv3plus_lorm_21",
    "net_r101_deeplabv2_lorm": "csp_resnet101_deeplabv2_lorm_21",
    "net_r50_deeplabv3p": "csp_resnet50_deeplabv3plus_21",
    "net_r50_deeplabv2": "csp_resnet50_deeplabv2_21",
}
RECTIFICATION = ("layer_camatt.", "layer_lorm.")
HERE = Path("w.pth")


def listing(name: str) -> dict[str, list[int]]:
    shapes: dict[str, list[int]] = json.loads(
        (FOLDER / f"cdsp/checkpoint_keys/{name}.json").read_text()
    )
    return shapes


def checkpoint(name: str) -> dict[str, Tensor]:
    """The weights of a listing; zeros where they are left out anyway."""
    shapes = listing(name)
    kept = {key: shape for key, shape in shapes.items() if not key.startswith(RECTIFICATION)}
    drawn = reference_weights(kept)
    return {key: drawn[key] if key in drawn else torch.zeros(shapes[key]) for key in shapes}


def converted(state: dict[str, Tensor]) -> tuple[MultiGridDeepLab, dict[str, Tensor]]:
    """The network without values that a checkpoint asks for, and the weights by our names."""
    layout = find_layout(state, HERE)
    weights, dropped = translate(state, layout, HERE)
    assert all(key.startswith(RECTIFICATION) for key in dropped)
    reading = layout.read(shapes_of(state))
    assert reading.network.name == "MultiGridDeepLab"
    with torch.device("meta"):
        net = MultiGridDeepLab(
            reading.num_classes, reading.in_channels, **reading.network.arguments
        )
    return net, weights


@lru_cache(maxsize=1)
def reference_network(name: str) -> MultiGridDeepLab:
    net, weights = converted(checkpoint(name))
    net.load_state_dict(weights, assign=True)
    return net.eval().double()


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    yield
    reference_network.cache_clear()
    forget_reference_weights()


@golden("cdsp", "net_r")
def test_converted_weights_give_the_published_logits(case: Case) -> None:
    assert case.path is not None
    net = reference_network(LISTINGS[case.path.stem.rsplit("_case", 1)[0]])
    with torch.inference_mode():
        features = net.features(torch.from_numpy(case["input"]).double())
        logits = net.head(features)
    np.testing.assert_allclose(logits.numpy(), case["logits"], rtol=1e-7, atol=1e-9)
    if "layer4_mean" in case:
        deepest = features[-1]
        assert deepest.shape == tuple(case["layer4_shape"])
        mean = deepest.mean(dim=(0, 2, 3)).numpy()
        np.testing.assert_allclose(mean, case["layer4_mean"], rtol=1e-7, atol=1e-9)
        assert deepest.abs().max().item() == pytest.approx(case["layer4_absmax"], rel=1e-7)


R50V2, R101V2 = "cdsp_resnet50_deeplabv2_lorm_21", "csp_resnet101_deeplabv2_lorm_21"
R101PLUS = "csp_resnet101_deeplabv3plus_lorm_21"


@pytest.mark.parametrize(
    ("name", "rectification", "layout", "tensors"),
    [
        (R50V2, "layer_camatt", "cdsp_deeplab", 354),
        (R101PLUS, "layer_camatt", "cdsp_deeplab", 680),
        (R101PLUS, "layer_lorm", "cdsp_deeplab", 680),
        (R101V2, "layer_lorm", "csp_deeplabv2", 660),
        ("csp_resnet50_deeplabv2_21", None, "csp_deeplabv2", 354),
        ("csp_resnet50_deeplabv3plus_21", None, "cdsp_deeplab", 374),
    ],
)
def test_every_flavour_fills_its_network(
    name: str, rectification: str | None, layout: str, tensors: int
) -> None:
    state = {
        key.replace("layer_lorm", rectification or ""): torch.empty(shape, device="meta")
        for key, shape in listing(name).items()
    }
    assert find_layout(state, HERE).name == layout
    net, weights = converted(state)
    assert len(weights) == tensors == len(state) - (5 if rectification else 0)
    assert shape_differences(shapes_of(weights), shapes_of(net.state_dict())) == []


def test_a_file_as_the_training_script_stores_it(tmp_path: Path) -> None:
    state = checkpoint(R50V2)
    wrapped = {f"_orig_mod.module.{key}": value for key, value in state.items()}
    content = {"epoch": 50, "state_dict": wrapped, "optimizer": {"state": {}}, "compile": True}
    torch.save(content, tmp_path / "w.pth")
    done = convert_checkpoint(tmp_path / "w.pth", tmp_path / "m")
    assert done.layout.name == "cdsp_deeplab"
    assert sorted(done.dropped) == sorted(key for key in state if key.startswith(RECTIFICATION))
    assert set(done.dropped.values()) == {
        "the localisation rectification module, which takes part in training only"
    }
    predictor = load(tmp_path / "m")
    assert tuple(predictor.class_names) == VOC.class_names
    assert predictor(np.zeros((20, 33, 3), np.uint8)).shape == (20, 33)
    for key, value in done.net.state_dict().items():
        assert torch.equal(predictor.net.state_dict()[key], value)


def test_other_depths_are_refused(tmp_path: Path) -> None:
    state = {
        "conv1.weight": torch.zeros(64, 3, 7, 7),
        "layer3.0.conv1.weight": torch.zeros(1),
        "layer5.aspp1.atrous_conv.weight": torch.zeros(21, 2048, 1, 1),
    }
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(
        CheckpointError, match=r"w\.pth: .*csp_deeplabv2 .*layer3 has 1 blocks; a ResNet-50 has 6"
    ):
        convert_checkpoint(tmp_path / "w.pth")

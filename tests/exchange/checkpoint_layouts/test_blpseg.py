from functools import cache
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from scribbleseg.data.layouts.voc import LAYOUT as VOC
from scribbleseg.exchange import Predictor, convert_checkpoint
from scribbleseg.exchange.convert import find_layout, translate
from scribbleseg.exchange.network_builder import shape_differences, shapes_of
from scribbleseg.networks import AggregatedUPerNet

HERE = Path("w.pth")
Shape = tuple[int, ...]


def norm(name: str, channels: int) -> dict[str, Shape]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{part}": (channels,) for part in parts}, f"{name}.num_batches_tracked": ()}


@cache
def listing(
    encoder: str = "resnet101s", classes: int = 21, channels: int = 256
) -> dict[str, Shape]:
    """Names and shapes of the published weights, written down from their description."""
    with torch.device("meta"):
        backbone = timm.create_model(encoder, num_classes=0).state_dict()
    p = channels
    shapes = {f"backbone.{key}": tuple(value.shape) for key, value in backbone.items()}
    shapes |= {f"backbone.layernorm.{part}": (128,) for part in ("weight", "bias")}
    for n in range(4):
        shapes[f"ppm.stages.{n}.1.weight"] = (p, 2048, 1, 1)
        shapes |= norm(f"ppm.stages.{n}.2", p)
    shapes["ppm.bottleneck.0.weight"] = (p, 2048 + 4 * p, 1, 1)
    shapes |= norm("ppm.bottleneck.1", p)
    for n, width in enumerate((256, 512, 1024)):
        shapes[f"decoder.lateral_convs.{n}.0.weight"] = (p, width, 1, 1)
        shapes[f"decoder.fpn_convs.{n}.0.weight"] = (p, p, 3, 3)
        shapes |= norm(f"decoder.lateral_convs.{n}.1", p) | norm(f"decoder.fpn_convs.{n}.1", p)
    shapes["decoder.fpn_bottleneck.0.weight"] = (p, 4 * p, 3, 3)
    shapes |= norm("decoder.fpn_bottleneck.1", p)
    for head, outputs in (("seg_head", classes), ("scribble_head", classes + 1)):
        shapes |= {f"{head}.0.weight": (p, p, 1, 1), f"{head}.2.weight": (p, p, 1, 1)}
        shapes |= {f"{head}.4.weight": (outputs, p, 1, 1), f"{head}.4.bias": (outputs,)}
    shapes |= {"embed_proj.proj.weight": (p, 3, 4, 4), "embed_proj.conv.weight": (p, p, 1, 1)}
    shapes |= {f"embed_proj.{part}.bias": (p,) for part in ("proj", "norm", "conv")}
    shapes["embed_proj.norm.weight"] = (p,)
    shapes["CELoss.weight"] = (classes + 1,)
    return shapes


def training_leftovers(shapes: dict[str, Shape]) -> dict[str, Shape]:
    """What checkpoints written in training hold beside."""
    norms = [key.removesuffix(".running_mean") for key in shapes if key.endswith(".running_mean")]
    endings = ("_tmp_running_mean", "_tmp_running_var", "_running_iter")
    return {
        **{f"{name}.{ending}": (1,) for name in norms for ending in endings},
        "distance_prob": (1, 9216, 9216),
    }


@pytest.mark.parametrize(("classes", "in_training"), [(21, False), (60, True)])
def test_every_flavour_fills_its_network(classes: int, in_training: bool) -> None:
    shapes = listing(classes=classes)
    assert len(shapes) == 725  # as published
    if in_training:
        more = training_leftovers(shapes)
        assert len({**shapes, **more}) == 1079 + 1
        shapes = {**shapes, **more}
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    layout = find_layout(state, HERE)
    assert layout.name == "blpseg"
    weights, dropped = translate(state, layout, HERE)
    assert {key for key in dropped if not key.rsplit(".", 1)[-1].startswith("_")} == {
        "backbone.layernorm.weight",
        "backbone.layernorm.bias",
        "CELoss.weight",
        *(["distance_prob"] if in_training else []),
    }
    reading = layout.read(shapes_of(state))
    assert reading.network.arguments == {"encoder": "tu-resnet101s", "channels": 256}
    with torch.device("meta"):
        net = AggregatedUPerNet(
            reading.num_classes, reading.in_channels, **reading.network.arguments
        )
    assert shape_differences(shapes_of(weights), shapes_of(net.state_dict())) == []


def test_a_file_as_the_training_script_stores_it(tmp_path: Path) -> None:
    published = {k: torch.zeros(shape) for k, shape in listing("resnet50s", channels=8).items()}
    published["seg_head.4.bias"][5] = 1.0
    torch.save({f"module.{key}": value for key, value in published.items()}, tmp_path / "w.pth")
    done = convert_checkpoint(tmp_path / "w.pth")
    assert done.model.network.arguments == {"encoder": "tu-resnet50s", "channels": 8}
    assert set(done.dropped.values()) == {
        "a norm that the network does not use",
        "the weights of the classes in a loss",
    }
    predictor = Predictor(done.net, done.model)
    assert tuple(predictor.class_names) == VOC.class_names
    assert (predictor(np.zeros((37, 50, 3), np.uint8)) == 5).all()

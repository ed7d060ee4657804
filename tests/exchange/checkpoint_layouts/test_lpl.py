import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.golden_cases import FOLDER

from scribbleseg.data.layouts.voc import LAYOUT as VOC
from scribbleseg.exchange import Predictor, convert_checkpoint
from scribbleseg.exchange.checkpoint_layouts.lpl import LAYOUT
from scribbleseg.exchange.convert import find_layout, translate
from scribbleseg.exchange.network_builder import shape_differences, shapes_of
from scribbleseg.methods import Optimization
from scribbleseg.networks import PlainDeepLab

HERE = Path("deeplabv3plus_resnet101_SemiWeak_VOCDataset_itr20000_sub92_sp8_hybridnet.pth")

every_listing = pytest.mark.parametrize("backbone", ["resnet50", "resnet101"])


def listing(backbone: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (FOLDER / f"lpl/state_dict_{backbone}.json").read_text(encoding="utf-8")
    )
    return content


@every_listing
def test_every_published_tensor_fills_its_place(backbone: str) -> None:
    content = listing(backbone)
    state = {
        entry["key"]: torch.empty(
            entry["shape"], dtype=getattr(torch, entry["dtype"]), device="meta"
        )
        for entry in content["entries"]
    }
    layout = find_layout(state, HERE)
    assert layout.name == "lpl"
    weights, dropped = translate(state, layout, HERE)
    assert dropped == {}
    reading = layout.read(shapes_of(state))
    with torch.device("meta"):
        net = PlainDeepLab(reading.num_classes, reading.in_channels, **reading.network.arguments)
    wanted = net.state_dict()
    assert shape_differences(shapes_of(weights), shapes_of(wanted)) == []
    assert {key: value.dtype for key, value in weights.items()} == {
        key: value.dtype for key, value in wanted.items()
    }
    assert sum(p.numel() for p in net.parameters()) == content["num_parameters"]


@every_listing
def test_groups_have_the_published_parameters(backbone: str) -> None:
    content = listing(backbone)
    with torch.device("meta"):
        net = PlainDeepLab(21, encoder=f"tu-{backbone}s")
    how = Optimization(lr_multipliers={"encoder": 2, "classifier": 10})
    optimizer, _ = how.build(net, 10)
    counts = {
        round(group["initial_lr"] / how.lr): sum(p.numel() for p in group["params"])
        for group in optimizer.param_groups
    }
    published = content["group_parameter_count"]
    assert counts == {2: published["backbone"], 1: published["others"], 10: published["cls"]}


def test_a_file_as_the_training_script_stores_it(tmp_path: Path) -> None:
    """Of all three kinds: only the name of the file tells them apart."""
    with torch.device("meta"):
        ours = PlainDeepLab(
            21, encoder="tu-resnet50s", channels=8, shortcut_channels=4
        ).state_dict()
    published = {}
    for entry in listing("resnet50")["entries"]:
        (name,) = LAYOUT.our_names(entry["key"])
        published[entry["key"]] = torch.zeros(ours[str(name)].shape)
    published["cls_conv.bias"][5] = 1.0
    torch.save(published, tmp_path / HERE)
    done = convert_checkpoint(tmp_path / HERE)
    assert done.layout.name == "lpl"
    assert done.model.network.arguments == {
        "encoder": "tu-resnet50s",
        "channels": 8,
        "shortcut_channels": 4,
    }
    predictor = Predictor(done.net, done.model)
    assert tuple(predictor.class_names) == VOC.class_names
    assert (predictor(np.zeros((37, 50, 3), np.uint8)) == 5).all()

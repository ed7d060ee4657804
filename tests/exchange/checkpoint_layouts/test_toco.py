import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.golden_cases import FOLDER, Case, golden
from tests.reference_weights import forget_reference_weights, reference_weights
from torch import Tensor

from scribbleseg.data.layouts.voc import LAYOUT as VOC
from scribbleseg.errors import CheckpointError
from scribbleseg.exchange import convert_checkpoint
from scribbleseg.exchange.convert import find_layout, translate
from scribbleseg.exchange.network_builder import shape_differences, shapes_of
from scribbleseg.networks import ToCoViT
from scribbleseg.networks.projection_head import ProjectionHead

HERE = Path("w.pth")


def listing() -> dict[str, list[int]]:
    shapes: dict[str, list[int]] = json.loads(
        (FOLDER / "cdsp/checkpoint_keys/toco_vit_base_21.json").read_text()
    )
    return shapes


def published_network(state: dict[str, Tensor]) -> tuple[ToCoViT, dict[str, Tensor], set[str]]:
    """The network without values, the weights by our names, and the names left out."""
    layout = find_layout(state, HERE)
    assert layout.name == "toco"
    weights, dropped = translate(state, layout, HERE)
    reading = layout.read(shapes_of(state))
    assert reading.network.name == "ToCoViT"
    with torch.device("meta"):
        net = ToCoViT(reading.num_classes, reading.in_channels, **reading.network.arguments)
    return net, weights, set(dropped)


@cache
def reference_network() -> tuple[ToCoViT, ProjectionHead]:
    """In double precision, with the student's projection, which a converted model leaves out."""
    shapes = listing()
    unused = ("proj_head_t.", "encoder.head.")
    drawn = reference_weights(
        {key: shape for key, shape in shapes.items() if not key.startswith(unused)}, norm_scale=1
    )
    net, weights, _ = published_network(drawn)
    net.load_state_dict(weights, assign=True)
    student = {key: value for key, value in drawn.items() if key.startswith("proj_head.")}
    assert (student.pop("proj_head.last_layer.weight_g") == 1).all()
    head = ProjectionHead()
    head.load_state_dict(
        {
            key.removeprefix("proj_head.").replace("last_layer.weight_v", "directions"): value
            for key, value in student.items()
        }
    )
    return net.eval().double(), head.double()


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    yield
    reference_network.cache_clear()
    forget_reference_weights()


@golden("cdsp", "toco_net_vitb")
def test_converted_weights_give_the_published_outputs(case: Case) -> None:
    net, head = reference_network()
    image = torch.from_numpy(case["input"]).double()
    with torch.inference_mode():
        tokens = net.tokens(image)
        class_logits, aux_logits = net.classify(tokens)
        found = {
            "cls_logits": class_logits,
            "cls_aux_logits": aux_logits,
            "seg_logits": net.segment(tokens.patches),
            "cam": net.classifier(tokens.patches),
            "cam_aux": net.aux_classifier(tokens.aux_patches),
            "class_token": tokens.class_token,
            "projected_class_token": head(tokens.class_token),
            "patch_feature_mean": tokens.patches.mean(dim=(2, 3)),
        }
    assert set(found) == set(case) - {"input", "note"}
    for name, values in found.items():
        np.testing.assert_allclose(values, case[name], rtol=1e-7, atol=1e-9, err_msg=name)


def test_every_tensor_is_used_or_left_out() -> None:
    state = {key: torch.empty(shape, device="meta") for key, shape in listing().items()}
    net, weights, dropped = published_network(state)
    assert shape_differences(shapes_of(weights), shapes_of(net.state_dict())) == []
    assert len(weights) + len(dropped) == len(state)
    heads = {key for key in dropped if not key.startswith(("proj_head.", "proj_head_t."))}
    assert heads == {"encoder.head.weight", "encoder.head.bias"}


def checkpoint(path: Path, blocks: int = 12) -> None:
    """Constant weights as the training script stores them, in one piece of memory."""
    values = torch.full((2048 * 2048,), 0.25)  # the largest tensor
    state = {
        f"module.{key}": values[: math.prod(shape)].view(shape)
        for key, shape in listing().items()
        if ".blocks." not in key or int(key.split(".")[2]) < blocks
    }
    torch.save(state, path)


def test_a_file_as_the_training_script_stores_it(tmp_path: Path) -> None:
    checkpoint(tmp_path / "w.pth")
    done = convert_checkpoint(tmp_path / "w.pth")
    assert done.layout.name == "toco"
    assert all((value == 0.25).all() for value in done.net.state_dict().values())
    assert done.dropped["proj_head_t.mlp.0.weight"] == (
        "a projection head of the class tokens, which takes part in training only"
    )
    assert done.model.class_names == VOC.class_names
    assert done.model.picture.mean == (0.485, 0.456, 0.406)


def test_other_depths_are_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path / "w.pth", blocks=11)
    with pytest.raises(CheckpointError, match=r"w\.pth: .*toco .*11 blocks of width 768"):
        convert_checkpoint(tmp_path / "w.pth")

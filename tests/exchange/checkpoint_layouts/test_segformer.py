"""The weights of PFA and of SegFormer's authors, in our network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scribbleseg.data.layouts.voc import LAYOUT as VOC
from scribbleseg.errors import CheckpointError
from scribbleseg.exchange import convert_checkpoint, load
from scribbleseg.networks import Segformer
from scribbleseg.networks.feature_augmentation import FeatureAugmentation

PARTS = {
    **{f"decoder.mlp_stage.{n}.linear.": f"linear_c{4 - n}.proj." for n in range(4)},
    "decoder.fuse_stage.0.": "linear_fuse.conv.",
    "decoder.fuse_stage.1.": "linear_fuse.bn.",
    "classifier.0.": "linear_pred.",
}
"""The published names of the head's parts by ours."""


def published(net: nn.Module, encoder: str, head: str) -> dict[str, Tensor]:
    """The weights of a network under their published names."""
    state = {}
    for name, value in net.state_dict().items():
        ours = next((part for part in PARTS if name.startswith(part)), None)
        if ours is None:
            state[name.replace("encoder", encoder, 1)] = value
        else:
            state[f"{head}.{PARTS[ours]}{name.removeprefix(ours)}"] = value
    return state


def noisy(**arguments: Any) -> Segformer:
    torch.manual_seed(0)
    net = Segformer(21, encoder="mit_b0", decoder_channels=16, **arguments).eval()
    nn.init.normal_(net.decoder.fuse_stage[1].running_mean)
    return net


def test_a_checkpoint_of_pfa(tmp_path: Path) -> None:
    net = noisy(last_stride=1)
    block = {f"feature_aug.{name}": v for name, v in FeatureAugmentation(16).state_dict().items()}
    content = {
        "epoch_id": 199,
        "best_val_iou": np.float64(0.5),
        "model_state_dict": {**published(net, "encoder", "decoder"), **block},
        "optimizer_state_dict": {"state": {}},
    }
    torch.save(content, tmp_path / "best_ckpt.pt")
    done = convert_checkpoint(tmp_path / "best_ckpt.pt", tmp_path / "m")
    assert done.layout.name == "pfa"
    assert done.dropped.keys() == block.keys()
    assert done.model.network.arguments == {
        "encoder": "mit_b0", "decoder_channels": 16, "last_stride": 1, "dropout": 0.1,
    }  # fmt: skip
    predictor = load(tmp_path / "m")
    assert tuple(predictor.class_names) == VOC.class_names
    image = torch.randn(1, 3, 48, 80)
    with torch.inference_mode():
        torch.testing.assert_close(predictor.net(image), net(image))


def test_a_model_of_segformers_authors(tmp_path: Path) -> None:
    net = noisy()
    state = published(net, "backbone", "decode_head")
    second = {f"decode_head.conv_seg.{part}": torch.zeros(21) for part in ("weight", "bias")}
    torch.save({"meta": {"epoch": 1}, "state_dict": {**state, **second}}, tmp_path / "w.pth")
    done = convert_checkpoint(tmp_path / "w.pth")
    assert done.layout.name == "segformer"
    assert done.dropped.keys() == second.keys()
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(done.net(image), net(image))


def test_every_published_encoder_is_told_by_its_shapes() -> None:
    from scribbleseg.exchange.checkpoint_layouts.segformer import ENCODERS, LAYOUT

    for (width, depths), name in ENCODERS.items():
        blocks = sum(depths)
        known = {"mit_b0": 8, "mit_b1": 8, "mit_b2": 16, "mit_b3": 28, "mit_b4": 41, "mit_b5": 52}
        assert (blocks, width) == (known[name], 32 if name == "mit_b0" else 64)
        shapes = {
            "backbone.patch_embed1.proj.weight": (width, 3, 7, 7),
            "decode_head.linear_pred.weight": (19, 256, 1, 1),
            **{
                f"backbone.block{scale}.{block}.norm1.weight": (1,)
                for scale, count in enumerate(depths, start=1)
                for block in range(count)
            },
        }
        reading = LAYOUT.read(shapes)
        assert reading.network.arguments["encoder"] == name
        assert (reading.num_classes, reading.in_channels) == (19, 3)


def test_other_encoders_are_refused(tmp_path: Path) -> None:
    state = published(noisy(), "backbone", "decode_head")
    few = {key: value for key, value in state.items() if not key.startswith("backbone.block3.1.")}
    torch.save(few, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"\(2, 2, 1, 2\) blocks from width 32 on are none"):
        convert_checkpoint(tmp_path / "w.pth")


def test_encoders_alone_are_given_to_the_network_as_they_are(tmp_path: Path) -> None:
    """``mit_b0.pth`` of NVlabs, with the classifier of ImageNet."""
    encoder = noisy().encoder.state_dict()
    head = {"head.weight": torch.zeros(1000, 256), "head.bias": torch.zeros(1000)}
    torch.save({**encoder, **head}, tmp_path / "mit_b0.pth")
    with pytest.raises(CheckpointError, match=r"An encoder alone .*--model\.network\.weights FILE"):
        convert_checkpoint(tmp_path / "mit_b0.pth")
    net = Segformer(3, encoder="mit_b0", weights=str(tmp_path / "mit_b0.pth"), last_stride=1)
    assert all(torch.equal(value, encoder[key]) for key, value in net.encoder.state_dict().items())

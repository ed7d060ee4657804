import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tests.exchange.test_network_builder import Own
from tests.networks.test_weights import Payload

from scribbleseg.errors import CheckpointError, RunError
from scribbleseg.exchange.run_model import read_run
from scribbleseg.inference import PROTOCOLS
from scribbleseg.networks import PlainUNet


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A run that may be changed."""
    return Path(shutil.copytree(run, tmp_path / "copy"))


def rewrite(run: Path, **changes: Any) -> None:
    """Replace values of the config: ``model__network`` is ``model.init_args.network``."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    for name, value in changes.items():
        section, _, key = name.partition("__")
        (config["data"] if section == "data" else config["model"]["init_args"])[key] = value
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def test_everything_is_found(run: Path) -> None:
    net, model = read_run(run)
    assert isinstance(net, PlainUNet)
    assert not net.training
    assert model.network.arguments["widths"] == [6, 12, 24]
    assert model.class_names == ("background", "disc", "square")
    assert model.picture.image_mode == "RGB"
    origin = model.origin
    assert (origin.method, origin.steps, origin.dataset) == ("PartialCrossEntropy", 30, "cells")
    assert (origin.images, origin.supervision) == (8, ("scribble",))
    assert set(origin.scores) == {"test"}
    stored = json.loads((run / "metrics.json").read_text())["test"]
    assert origin.scores["test"].miou == stored["miou"]
    assert origin.scores["test"].iou[1] == stored["classes"]["disc"]["iou"]


def test_another_checkpoint_has_other_scores(run: Path) -> None:
    _, model = read_run(run, "best")
    assert model.origin.scores == {}
    path = str(run / "checkpoints/best.ckpt")
    assert read_run(run, path)[1].origin.steps == model.origin.steps
    with pytest.raises(RunError, match="no such checkpoint; checkpoints of this run: best, last"):
        read_run(run, "middle")


def test_the_dataset_may_be_gone(copy: Path) -> None:
    rewrite(copy, data__root="/nowhere/cells")
    _, model = read_run(copy)
    assert model.palette == ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    assert model.origin.dataset == "cells"
    rewrite(copy, data__layout="tests.exchange.imported")
    assert read_run(copy)[1].palette == model.palette
    rewrite(copy, data__layout="acdc")  # other classes: not these colours
    assert read_run(copy)[1].palette == model.palette


def test_grey_pictures_are_seen_by_the_weights(copy: Path) -> None:
    checkpoint = torch.load(copy / "checkpoints/last.ckpt", weights_only=True)
    first = "net.encoder.0.0.weight"
    checkpoint["state_dict"][first] = checkpoint["state_dict"][first][:, :1].clone()
    torch.save(checkpoint, copy / "checkpoints/last.ckpt")
    rewrite(copy, data__resize=[32, 48])
    picture = read_run(copy)[1].picture
    assert (picture.image_mode, picture.mean, picture.resize) == ("L", (0.0,), (32, 48))
    rewrite(copy, data__mean=[0.5, 0.5, 0.5])
    with pytest.raises(CheckpointError, match=r"encoder\.0\.0\.weight is \(6, 1, 3, 3\)"):
        read_run(copy)


def test_a_published_protocol_is_kept(copy: Path) -> None:
    rewrite(copy, model__protocol="toco_voc")
    assert read_run(copy)[1].inference == PROTOCOLS["toco_voc"]
    rewrite(copy, model__protocol=None, model__inference=None)
    assert read_run(copy)[1].inference.is_plain
    rewrite(copy, model__protocol="nobody")
    with pytest.raises(CheckpointError, match="protocol: 'nobody' is unknown"):
        read_run(copy)


def test_networks_of_ones_own_are_handed_over(copy: Path, tmp_path: Path) -> None:
    path = "tests.exchange.test_network_builder.Own"
    rewrite(copy, model__network={"class_path": path, "init_args": {"kernel": 3}})
    checkpoint = torch.load(copy / "checkpoints/last.ckpt", weights_only=True)
    own = Own(3, 3, kernel=3)
    checkpoint["state_dict"] = {f"net.{key}": value for key, value in own.state_dict().items()}
    checkpoint["scribbleseg"]["network"] = "Own"
    torch.save(checkpoint, copy / "checkpoints/last.ckpt")
    with pytest.raises(
        CheckpointError,
        match=rf"{path} is a network of your own, which nothing imports .*--network .*export ONNX",
    ):
        read_run(copy)
    net, model = read_run(copy, networks={"Own": Own})
    assert isinstance(net, Own)
    np.testing.assert_array_equal(net.conv.weight.detach(), own.conv.weight.detach())
    assert model.network.arguments == {"kernel": 3}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("PlainUNet", "network has no class_path"),
        ({"class_path": "os.system"}, "os.system is a network of your own"),
        ({"class_path": "evil.PlainUNet"}, "evil.PlainUNet is a network of your own"),
        ({"class_path": "scribbleseg.UNet"}, "belongs to a PlainUNet, but .* names a UNet"),
        (
            {"class_path": "scribbleseg.PlainUNet", "init_args": {"widths": {"class_path": "os"}}},
            "arguments of PlainUNet that are not plain values: widths",
        ),
    ],
)
def test_no_class_is_imported_from_a_config(copy: Path, network: object, message: str) -> None:
    rewrite(copy, model__network=network)
    with pytest.raises(CheckpointError, match=message):
        read_run(copy)


def test_pretrained_weights_are_in_the_checkpoint(copy: Path) -> None:
    network = {"class_path": "scribbleseg.PlainUNet", "init_args": {"weights": "imagenet"}}
    rewrite(copy, model__network=network)
    with pytest.raises(CheckpointError, match="PlainUNet has no argument 'weights'"):
        read_run(copy)


def test_what_is_no_run(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"config\.yaml: no such file; .* is not the folder of a run"
    ):
        read_run(tmp_path)
    (tmp_path / "config.yaml").write_text("model: {init_args: 3}")
    with pytest.raises(RunError, match="is not the config of a run"):
        read_run(tmp_path)
    (tmp_path / "config.yaml").write_text("!!python/object/apply:os.system ['touch executed']")
    with pytest.raises(RunError, match="no YAML"):
        read_run(tmp_path)
    (copy / "metrics.json").write_text('{"test": {"checkpoint": "last", "images": "many"}}')
    with pytest.raises(CheckpointError, match=r"metrics\.json or environment\.json is not as"):
        read_run(copy)
    torch.save({"scribbleseg": {}, "state_dict": 3}, copy / "checkpoints/last.ckpt")
    with pytest.raises(CheckpointError, match=r"last\.ckpt: is not a checkpoint of scribbleseg"):
        read_run(copy)
    torch.save({"state_dict": Payload(tmp_path / "executed")}, copy / "checkpoints/last.ckpt")
    with pytest.raises(CheckpointError, match=r"last\.ckpt: holds more than tensors"):
        read_run(copy)
    assert not (tmp_path / "executed").exists()

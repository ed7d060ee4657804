import json
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from scribbleseg.annotation.file_hash import sha256_of
from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange import ModelDescription, initialise, save_folder
from scribbleseg.exchange.model_folder import read_folder
from scribbleseg.networks import PlainUNet


def net(classes: int = 3, width: int = 2) -> PlainUNet:
    return PlainUNet(classes, 1, widths=(width, 4)).eval()


@pytest.fixture
def folder(small: ModelDescription, tmp_path: Path) -> Path:
    # channels last, as weights are after training: the file does not depend on it
    save_folder(net().to(memory_format=torch.channels_last), tmp_path / "deep/model", small)  # type: ignore[call-overload]
    return tmp_path / "deep/model"


def test_round_trip(small: ModelDescription, tmp_path: Path) -> None:
    saved = net()
    save_folder(saved, tmp_path / "m", small)
    assert {path.name for path in (tmp_path / "m").iterdir()} == {
        "model.safetensors",
        "config.json",
        "README.md",
    }
    assert stat.S_IMODE((tmp_path / "m/model.safetensors").stat().st_mode) & 0o044
    found, model = read_folder(tmp_path / "m")
    assert not found.training
    assert model.class_names == small.class_names
    for key, value in saved.state_dict().items():
        assert torch.equal(found.state_dict()[key], value)


def test_folders_of_others_are_left_alone(
    folder: Path, small: ModelDescription, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="exists and is not empty; --overwrite replaces a model"):
        save_folder(net(), folder, small)
    (folder / "notes.txt").write_text("mine")
    save_folder(net(), folder, small, overwrite=True, license="mit")
    assert (folder / "notes.txt").read_text() == "mine"
    assert "license: mit" in (folder / "README.md").read_text()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/config.json").write_text("{}")
    with pytest.raises(ConfigError, match="is not a model folder, and only these are overwritten"):
        save_folder(net(), tmp_path / "photos", small, overwrite=True)
    with pytest.raises(ConfigError, match="is a file"):
        save_folder(net(), folder / "notes.txt", small)


def test_a_killed_export_is_seen_and_can_be_repeated(folder: Path, small: ModelDescription) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors: cannot be read \(No such file"):
        read_folder(folder)
    save_folder(net(), folder, small, overwrite=True)
    read_folder(folder)


def test_a_wrong_description_writes_nothing(small: ModelDescription, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"classifier\.weight is \(4, 2, 3, 3\), expected \(3"
    ):
        save_folder(net(classes=4), tmp_path / "m", small)
    assert not (tmp_path / "m").exists()


def test_a_folder_that_cannot_be_written(small: ModelDescription, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"m: cannot be written \(.*Not a directory"):
        save_folder(net(), tmp_path / "file" / "m", small)


def test_other_weights_beside_the_description(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"] += 1
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"is not the file that config\.json describes \(sha"):
        read_folder(folder)


def test_another_number_of_classes(folder: Path) -> None:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    config["model"]["class_names"].append("more")
    config["model"]["palette"].append([1, 2, 3])
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        CheckpointError,
        match=r"not those of a PlainUNet with 4 classes and 1 channel\(s\): classifier\.weight is "
        r"\(3, 2, 3, 3\), expected \(4, 2, 3, 3\)",
    ):
        read_folder(folder)


def test_weights_of_nothing(folder: Path) -> None:
    save_file({}, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config["sha256"] = sha256_of(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"encoder\.0\.0\.weight is missing.*differences"):
        read_folder(folder)


def test_training_starts_from_a_folder(folder: Path) -> None:
    started = net()
    initialise(started, folder)
    found, _ = read_folder(folder)
    for key, value in found.state_dict().items():
        assert torch.equal(started.state_dict()[key], value)
    with pytest.raises(CheckpointError, match=r"encoder\.0\.0\.weight is \(2, 1, 3, 3\), expected"):
        initialise(net(width=3), folder)

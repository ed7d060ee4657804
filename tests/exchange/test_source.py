import time
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest

from scribbleseg.errors import CheckpointError
from scribbleseg.exchange import load, open_model, save_folder
from scribbleseg.inference import Inference

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's model as a folder."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    save_folder(*_reordered(run, folder))
    return folder


def _reordered(run: Path, folder: Path) -> tuple[Any, Path, Any]:
    net, model = open_model(run)
    return net, folder, model


def test_a_run_and_its_export_are_the_same(run: Path, exported: Path) -> None:
    of_run, of_folder = load(run), load(str(exported))
    assert of_run.model.picture == of_folder.model.picture
    assert of_run.class_names == of_folder.class_names
    np.testing.assert_array_equal(of_run(PICTURE), of_folder(PICTURE))
    np.testing.assert_array_equal(of_run.probabilities(PICTURE), of_folder.probabilities(PICTURE))


def test_inference_can_be_chosen(exported: Path) -> None:
    mirrored = load(exported, inference=Inference(flip=True))
    turned = mirrored.probabilities(np.ascontiguousarray(PICTURE[:, ::-1]))[..., ::-1]
    np.testing.assert_allclose(mirrored.probabilities(PICTURE), turned, atol=1e-5)


def test_a_model_on_the_hub(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def snapshot_download(repository: str, **options: Any) -> str:
        asked.update(options, repository=repository)
        return str(exported)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert load("user/model", revision="v1")(PICTURE).shape == (40, 50)
    assert (asked["repository"], asked["revision"]) == ("user/model", "v1")
    assert sorted(asked["allow_patterns"]) == ["README.md", "config.json", "model.safetensors"]


def test_a_folder_comes_before_the_hub(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user/model").symlink_to(exported)
    monkeypatch.chdir(tmp_path)
    assert load("user/model").class_names == ["background", "disc", "square"]


def test_without_network_it_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    started = time.monotonic()
    with pytest.raises(
        CheckpointError,
        match=r"user/model: no such folder here, and not downloaded: .*nothing is cached",
    ):
        load("user/model")
    assert time.monotonic() - started < 5


def test_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a/b/c: no such folder; give the folder of an"):
        load("a/b/c")
    with pytest.raises(CheckpointError, match=r"neither an exported model \(config\.json\) nor"):
        load(tmp_path)

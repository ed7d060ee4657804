import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.e2e.test_train import write_config

from scribbleseg import exchange
from scribbleseg.cli.main import main
from scribbleseg.exchange import Parity, load


@pytest.fixture(scope="module")
def run(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    config = write_config(folder, drawn, batch_size=4)
    assert main(["fit", "--config", config, "--run", str(folder / "run")]) == 0
    return folder / "run"


def test_a_folder_that_loads(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model"
    command = ["export", "--run", str(run), str(out), "--license", "cc-by-4.0"]
    assert main(command) == 0
    assert f"{out}: PlainUNet, 3 classes; scribbleseg.load(" in capsys.readouterr().out
    assert "license: cc-by-4.0" in (out / "README.md").read_text()
    config = json.loads((out / "config.json").read_text())["model"]
    assert config["origin"]["scores"]["test"]["images"] == 3
    picture = np.zeros((20, 30, 3), np.uint8)
    np.testing.assert_array_equal(load(out)(picture), load(run)(picture))

    assert main(command) == 2
    assert "exists and is not empty; --overwrite replaces a model" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--checkpoint", "best"]) == 0


def test_onnx(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file itself is made in exchange/test_onnx_file and by the lines of the manual."""
    asked: dict[str, Any] = {}

    def export_onnx(net: Any, path: Path, model: Any, *, overwrite: bool) -> Parity:
        asked.update(path=path, classes=model.class_names, overwrite=overwrite)
        return Parity(2e-6, 3.0, ((1, 8, 8), (2, 9, 9)))

    monkeypatch.setattr(exchange, "export_onnx", export_onnx)
    assert main(["export", "--run", str(run), str(tmp_path / "model")]) == 0
    capsys.readouterr()
    out = tmp_path / "m.onnx"
    assert main(["export", "--run", str(tmp_path / "model"), str(out)]) == 0
    assert asked == {"path": out, "classes": ("background", "disc", "square"), "overwrite": False}
    assert capsys.readouterr().out == (
        f"{out}: onnxruntime and torch differ by 2.0e-06 at most (largest logit 3), at 2 sizes\n"
    )


def test_push(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed: dict[str, Any] = {}

    def push_to_hub(folder: Path, repository: str, *, private: bool) -> str:
        pushed.update(folder=folder, repository=repository, private=private)
        return "https://hub/user/model"

    monkeypatch.setattr(exchange, "push_to_hub", push_to_hub)
    out = tmp_path / "model"
    command = ["export", "--run", str(run), str(out), "--push", "user/model"]
    assert main(command) == 0
    assert pushed == {"folder": out, "repository": "user/model", "private": True}
    assert "uploaded: https://hub/user/model" in capsys.readouterr().out
    assert 'scribbleseg.load("user/model")' in (out / "README.md").read_text()
    assert main([*command, "--public", "--overwrite"]) == 0
    assert pushed["private"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required"),
        (["{out}"], "run"),
        (["{out}", "--run", "nowhere"], "nowhere: no such folder; give the folder of an exported"),
        (["{out}", "--run", "{run}", "--checkpoint", "frist"], "no such checkpoint; checkpoints"),
        (["{out}", "--run", "{run}", "--licence", "mit"], "did you mean 'license'?"),
        (["m.onnx", "--run", "{run}", "--push", "user/model"], "--push: uploads a folder"),
        (["{out}", "--run", "{run}", "--push", "model"], "--push: 'model' is not user/model"),
        (["{out}", "--run", "{run}", "--network", "no.such.Net"], "--network: cannot import"),
    ],
)
def test_mistakes(
    run: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [word.format(run=run, out=tmp_path / "out") for word in arguments]
    assert main(["export", *filled]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()

from pathlib import Path

import pytest
import torch
from tests.exchange.checkpoint_layouts.test_wsl4mis_unet import random_state

from scribbleseg.cli.main import main
from scribbleseg.exchange import load


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    state = random_state(("main_decoder", "aux_decoder1"), bilinear=True)
    torch.save(state, tmp_path / "unet.pth")
    return tmp_path / "unet.pth"


def test_convert(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model"
    assert main(["convert", str(checkpoint), str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "left out: 66 tensors, a further decoder, which takes part in training only",
        f"{out}: wsl4mis_unet as PlainUNet, classes background, RV, MYO, LV",
    ]
    assert load(out).class_names == ["background", "RV", "MYO", "LV"]
    named = [str(checkpoint), str(out), "--overwrite", "--classes", "[a, b, c, d]"]
    assert main(["convert", *named, "--layout", "wsl4mis_unet"]) == 0
    assert load(out).class_names == ["a", "b", "c", "d"]


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "--list"]) == 0
    assert "csp_unet       U-Net of the CSPNet code" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the checkpoint and the folder of the model: CHECKPOINT OUT"),
        (["{checkpoint}"], "CHECKPOINT OUT"),
        (["nowhere.pth", "{out}"], "nowhere.pth: no such file"),
        (["{checkpoint}", "{out}", "--layout", "wsl4mis"], "did you mean 'wsl4mis_unet'?"),
        (["{checkpoint}", "{out}", "--layuot", "x"], "'layuot' is unknown; did you mean 'layout'?"),
        (["{checkpoint}", "{out}", "--classes", "[a]"], "--classes: 1 names for 4 classes"),
    ],
)
def test_mistakes(
    checkpoint: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [word.format(checkpoint=checkpoint, out=tmp_path / "out") for word in arguments]
    assert main(["convert", *filled]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()

import json
import shutil
from pathlib import Path

import pytest
from tests.e2e.test_bad_input import relabel

from scribbleseg.cli.main import main


def test_exit_codes(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(drawn)]) == 0
    assert "nothing to mend" in capsys.readouterr().out
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    for path in (root / "scribbles").glob("*.png"):
        relabel(path, 2, 255)
    assert main(["check", str(root)]) == 1
    assert "warning: train: 1 of 3 classes are in no scribble" in capsys.readouterr().out
    (root / "images/cell 2.png").write_bytes(b"")
    assert main(["check", str(root), "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == 2
    assert {finding["level"] for finding in report["findings"]} == {"error", "warning"}


def test_lists_are_optional_unless_named(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    description = (root / "dataset.yaml").read_text()
    (root / "dataset.yaml").write_text(description[: description.index("splits")])
    for path in root.glob("*.txt"):
        path.unlink()
    assert main(["check", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"]["all"]["images"] == 11
    assert main(["check", str(root), "--train", "mine"]) == 2
    assert "list 'mine' not found" in capsys.readouterr().out


def test_brackets_in_a_path_are_printed(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(drawn, tmp_path / "cells [red]"))
    assert main(["check", str(root)]) == 0
    assert f"{root}: nothing to mend" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "data.root: no folder 'nowhere'"),
        (["DRAWN", "--layot", "voc"], "'layot' is unknown; did you mean 'layout'?"),
        (["DRAWN", "--layout", "vok"], "no layout 'vok'; did you mean 'voc'?"),
        (["DRAWN", "--supervision", "strokes"], "'strokes' is not one of mask, scribble, tags"),
        ([], "dataset"),
    ],
)
def test_mistakes(
    drawn: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *(str(drawn) if a == "DRAWN" else a for a in arguments)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.data
@pytest.mark.parametrize(
    "arguments",
    [["camvid"], ["acdc", "--train", "fold1_train", "--val", "fold1_val", "--test", "null"]],
    ids=lambda a: a[0],
)
def test_real_data(
    arguments: list[str],
    data_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SCRIBBLESEG_DATA", str(data_root))
    assert main(["check", *arguments, "--json"]) == 0
    splits = json.loads(capsys.readouterr().out)["splits"]
    assert all(split["contradicting"] < 0.001 for split in splits.values())

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from tests.data.preparation.test_annotation_import import LINES
from tests.e2e.test_bad_input import relabel

from scribbleseg.cli.main import main

FORMAT = LINES
"""This module is an annotation format: `load_format` takes the path of any module."""


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


def test_images_of_two_lists_are_named(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    (root / "ImageSets").mkdir(exist_ok=True)
    (root / "ImageSets/leaked.txt").write_text("cell 1\ncell 8\n")
    assert main(["check", str(root), "--test", "leaked"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "lists 'train' and 'leaked' share" in shown
    assert "cell 1" in shown
    assert main(["check", str(root)]) == 0
    assert "lists 'train'" not in capsys.readouterr().out


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
        (["DRAWN", "--classes", "a,b"], "--classes is for the files of an annotation tool; give"),
        (["DRAWN", "--workers", "64"], "--workers is for the files of an annotation tool; give"),
        (
            ["DRAWN", "--format", "labelme", "--train", "all"],
            "--train is for a dataset; leave it out with --format",
        ),
        (["DRAWN", "--format", "labelm"], "no format 'labelm'; did you mean 'labelme'?"),
        (["DRAWN", "--format", "labelme", "--rule", "line-3px", "--width", "5"], "5"),
        (["DRAWN", "--pictures", "DRAWN"], "cells: exists and is not empty; choose another folder"),
    ],
)
def test_mistakes(
    drawn: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *(str(drawn) if a == "DRAWN" else a for a in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_pictures_of_what_was_found(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["check", str(drawn), "--pictures", str(out)]) == 0
    assert "no problem to be drawn" in capsys.readouterr().out
    assert not out.exists()
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    relabel(root / "scribbles/cell 1.png", 1, 2)
    assert main(["check", str(root), "--pictures", str(out)]) == 1
    assert f"1 of 1 problems drawn in {out}, see index.html" in capsys.readouterr().out
    assert (out / "contradiction_cell 1.jpg").is_file()
    again = str(tmp_path / "again")
    assert main(["check", str(root), "--pictures", again, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["pictures"] == [f"{again}/contradiction_cell 1.jpg"]


def write_strokes(folder: Path) -> None:
    """Two pictures as the format of tests/data/preparation wants them, one of another size."""
    folder.mkdir()
    for name, size in (("a", (30, 20)), ("b", (31, 20))):
        Image.new("RGB", size).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("background 1 1 25 1\ncat 5 5 70 15\n")


def test_files_of_an_annotation_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "tool", tmp_path / "out"
    write_strokes(source)
    arguments = ["check", str(source), "--format", __name__, "--workers", "1"]
    assert main([*arguments, "--pictures", str(out)]) == 2
    text = capsys.readouterr().out
    assert "lines: 2 pictures, 30 x 20" in text
    assert "b.txt: drawn on 30x20 pixels" in text
    assert "warning: old tool" in text
    assert "3 of 3 problems drawn" in text
    assert (out / "size_b.jpg").is_file()
    assert main([*arguments, "--rule", "reference-1px", "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["labels"]["pixels"]["background"] == 50
    assert report["raster"] == {"rule": "reference-1px", "width": 1}
    assert main([*arguments, "--classes", "background,cat,dog", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["classes"] == ["background", "cat", "dog"]
    (source / "b.txt").unlink()
    assert main(arguments) == 1
    assert f"{source}: can be imported; see the warnings" in capsys.readouterr().out


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

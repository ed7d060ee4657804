import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.e2e.test_train import write_config

from scribbleseg.annotation import read_label, write_label
from scribbleseg.cli.main import main


@pytest.fixture
def place(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset with labels of one source of two, in a working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(drawn, tmp_path / "cells")
    for path in (tmp_path / "cells/masks").iterdir():
        label = read_label(path).copy()
        label[:, :8] = 255
        write_label(tmp_path / "cells/labels/good" / path.name, label)
    write_config(tmp_path, Path("cells"), method="SelfTraining")
    sources = {
        "layout": "folder",
        "root": "nowhere",
        "split": "train",
        "variants": ["r1"],
        "labels": {"a good one": "labels/good", "none": "labels/none"},
        "runs": "runs/{source}_{variant}",
        "config": "tiny.yaml",
        "scribbles": "scribbles",
    }
    Path("mine.yaml").write_text(yaml.safe_dump(sources))
    return tmp_path


def test_the_printed_command_fills_the_table(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["compare-labels", "mine.yaml", "--root", "cells"]
    assert main(line) == 0
    shown = capsys.readouterr().out
    out = place / "runs/label_sources/mine"
    table = (out / "label_sources.md").read_text()
    assert table in shown
    assert "| a good one | 1.0000 | 1.0000 | 87.5% | \N{EN DASH} | \N{EN DASH} |" in table
    assert "- missing: labels of none: labels/none or cells/labels/none\n" in table
    command = shlex.split(next(row for row in table.splitlines() if "scribbleseg fit" in row))
    words = command[command.index("fit") :]
    short = ["--trainer.max_steps", "2", "--trainer.val_check_interval", "2"]
    assert main([*words, *short]) == 0
    capsys.readouterr()
    assert main([*line, "--out", "here"]) == 0
    shown = capsys.readouterr().out
    assert "scribbleseg fit" not in shown
    row = next(row for row in shown.splitlines() if row.startswith("| a good one"))
    assert 0 <= float(row.split(" | ")[-1].strip(" |")) <= 1
    assert sorted(path.name for path in Path("here").iterdir()) == [
        "label_sources.csv",
        "label_sources.md",
    ]


def test_mistakes_are_one_line_and_nothing_is_written(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("cells/labels")
    before = sorted(place.rglob("*"))
    for words, message in (
        (["mine.yaml"], "no folder 'nowhere'"),
        (["mine.yaml", "--root", "cells"], "labels is here or below cells: labels/good, labels/no"),
        (["yours.yaml"], "sources: no file 'yours.yaml'; the library has"),
        ([], "sources"),
        (["mine.yaml", "--roots", "cells"], "did you mean 'root'?"),
    ):
        assert main(["compare-labels", *words]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    Path("mine.yaml").write_text(Path("mine.yaml").read_text().replace("tiny.yaml", "teeny.yaml"))
    assert main(["compare-labels", "mine.yaml", "--root", "cells"]) == 2
    assert "mine.yaml: config: no file 'teeny.yaml'" in capsys.readouterr().err
    assert sorted(place.rglob("*")) == before


def test_the_embedded_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    masks, labels = Path("runs/data/shapes/masks"), Path("runs/shapes/cspnet_recipe/seed1/labels")
    for folder in (masks, labels):
        write_label(folder / "train_000.png", np.eye(96, dtype=np.uint8))
    lists = masks.parent / "ImageSets"
    lists.mkdir()
    (lists / "train.txt").write_text("train_000\n")
    assert main(["compare-labels", "label_sources/shapes.yaml"]) == 0
    shown = capsys.readouterr().out
    assert "Labels: shapes, train (1 images)" in shown
    dash = "\N{EN DASH}"
    assert f"| scribble-promoted ToCo | {dash} | 1.0000 | {dash} | 1.0000 (1 of 3) |" in shown
    assert shown.count("\n- missing: ") == 1 + 3 + 2
    assert Path("runs/label_sources/shapes/label_sources.md").is_file()

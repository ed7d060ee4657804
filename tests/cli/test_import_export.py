"""The loop of a practitioner: draw, import, train, export predictions, correct, import again."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from scribbleseg.annotation import read_label
from scribbleseg.annotation.formats import format_names, load_format
from scribbleseg.cli.main import main
from scribbleseg.data.preparation import derived_images

WRITERS = [name for name in format_names() if load_format(name).write is not None]


@pytest.mark.parametrize("name", WRITERS)
def test_exported_and_imported_labels_are_the_same(
    name: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool, again = tmp_path / "tool", tmp_path / "again"
    labels = drawn / "scribbles"
    assert main(["export-labels", name, str(labels), str(tool), "--dataset", str(drawn)]) == 0
    assert "11 pictures for" in capsys.readouterr().out
    line = ["import", name, str(tool), str(again), "--images", str(drawn / "images")]
    assert main([*line, "--classes", str(drawn / "dataset.yaml"), "--workers", "1"]) == 0
    assert "11 pictures" in capsys.readouterr().out
    for path in labels.glob("*.png"):
        found = read_label(again / "scribbles" / path.name)
        np.testing.assert_array_equal(found, read_label(path))
        assert (again / "images" / path.name).samefile(drawn / "images" / path.name)
    assert main(["check", str(again)]) == 0


def test_the_imported_dataset_trains(drawn: Path, tmp_path: Path) -> None:
    tool, mine, run = tmp_path / "tool", tmp_path / "mine", tmp_path / "run"
    export = ["export-labels", "labelme", str(drawn / "scribbles"), str(tool)]
    assert main([*export, "--dataset", str(drawn)]) == 0
    imported = ["import", "labelme", str(tool), str(mine), "--images", str(drawn / "images")]
    assert main([*imported, "--background_drawn", "true"]) == 0
    small = ["--model.network", "scribbleseg.PlainUNet", "--model.network.widths", "[8, 16]"]
    steps = ["--trainer.max_steps", "2", "--data.batch_size", "2", "--trainer.accelerator", "cpu"]
    fit = ["fit", "--model", "scribbleseg.PartialCrossEntropy", *small, *steps]
    data = ["--data.root", str(mine), "--data.train", "all", "--data.val", "null"]
    assert main([*fit, *data, "--data.test", "null", "--run", str(run)]) == 0
    environment = json.loads((run / "environment.json").read_text())
    assert "opencv" in environment["raster"]
    predict = ["predict", "--run", str(run), "--data.images", str(mine / "images")]
    assert main([*predict, "--out", str(tmp_path / "out")]) == 0
    export = ["export-labels", "labelme", str(tmp_path / "out/labels"), str(tmp_path / "correct")]
    assert main([*export, "--dataset", str(mine)]) == 0
    assert len(list((tmp_path / "correct").rglob("*.json"))) == 11


def test_every_format_says_what_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "--list"]) == 0
    said = capsys.readouterr().out
    for name in format_names():
        assert f"\n{name}: " in f"\n{said}"
    assert said.count("    unlabelled: ") == said.count("    background: ") == len(format_names())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["import", "labelmi", "a", "b"], "no format 'labelmi'; did you mean 'labelme'?"),
        (["import", "labelme", "nowhere", "b"], "nowhere: no such file or folder"),
        (["import", "labelme", "EMPTY", "b"], "no file *.json"),
        (["import", "labelme", "EMPTY", "b", "--rule", "fat"], "rule"),
        (["import", "labelme", "EMPTY", "b", "--rule", "line-3px", "--width", "5"], "width: 5"),
        (["import", "labelme", "EMPTY", "b", "--classes", "background,a,a"], "'a' is listed twice"),
        (
            ["import", "labelme", "EMPTY", "b", "--classes", "cell,background"],
            "'background' is not the first, but class 0, here 'cell', is the background",
        ),
        (["import", "index_png", "EMPTY", "b", "--width", "3"], "its files hold pixels, not stro"),
        (["import", "mylab.nothing", "EMPTY", "b"], "cannot import 'mylab.nothing'"),
        (["export-labels", "qupath", "LABELS", "b", "--dataset", "DRAWN"], "no writer"),
        (
            ["export-labels", "coco", "nowhere", "b", "--dataset", "DRAWN"],
            "nowhere: no such folder",
        ),
        (["export-labels", "coco", "EMPTY", "b", "--dataset", "DRAWN"], "no label images"),
        (["export-labels", "coco", "LABELS", "b"], "give --dataset, or both"),
        (["export-labels", "coco", "LABELS", "DRAWN", "--dataset", "DRAWN"], "is not empty"),
        (
            ["export-labels", "coco", "LABELS", "b", "--images", "EMPTY", "--classes", "a,b,c"],
            "no picture for cell 0",
        ),
        (
            ["export-labels", "coco", "LABELS", "b", "--dataset", "DRAWN", "--classes", "a,b"],
            "label 2",
        ),
    ],
)
def test_mistakes(
    line: list[str],
    message: str,
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": "empty", "DRAWN": str(drawn), "LABELS": str(drawn / "scribbles")}
    assert main([places.get(word, word) for word in line]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


def test_bad_files_are_all_named_and_nothing_is_half_done(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool, mine = tmp_path / "tool", tmp_path / "mine"
    export = ["export-labels", "labelme", str(drawn / "scribbles"), str(tool)]
    assert main([*export, "--dataset", str(drawn)]) == 0
    files = sorted(tool.rglob("*.json"))
    whole = [path.read_text() for path in files[:2]]
    files[0].write_text(whole[0][:-20])
    files[1].write_text(whole[1].replace('"shapes"', '"forms"'))
    line = ["import", "labelme", str(tool), str(mine), "--images", str(drawn / "images")]
    line += ["--classes", str(drawn / "dataset.yaml")]
    assert main(line) == 2
    error = capsys.readouterr().err
    assert files[0].name in error
    assert files[1].name in error
    assert not (mine / "dataset.yaml").exists()
    for path, text in zip(files, whole, strict=False):
        path.write_text(text)
    assert main(line) == 0
    assert len(list((mine / "scribbles").iterdir())) == 11
    shutil.rmtree(tool)


def test_after_nothing_was_imported_settings_may_change(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool, mine = tmp_path / "tool", tmp_path / "mine"
    export = ["export-labels", "labelme", str(drawn / "scribbles"), str(tool)]
    assert main([*export, "--dataset", str(drawn)]) == 0
    line = ["import", "labelme", str(tool), str(mine), "--images", str(drawn / "images")]
    assert main([*line, "--classes", "background,disk,square"]) == 2
    assert main([*line, "--classes", "background,disc,square"]) == 0
    capsys.readouterr()
    assert main([*line, "--classes", "background,square,disc"]) == 2
    assert "was made with other settings" in capsys.readouterr().err


def test_pixels_have_no_raster(drawn: Path, tmp_path: Path) -> None:
    line = ["import", "index_png", str(drawn / "scribbles"), str(tmp_path / "mine")]
    line += ["--images", str(drawn / "images"), "--classes", "background,disc,square"]
    assert main(line) == 0
    assert "raster" not in (tmp_path / "mine/dataset.yaml").read_text()


def test_width_is_kept(drawn: Path, tmp_path: Path) -> None:
    tool, mine = tmp_path / "tool", tmp_path / "mine"
    export = ["export-labels", "labelme", str(drawn / "scribbles"), str(tool)]
    assert main([*export, "--dataset", str(drawn)]) == 0
    line = ["import", "labelme", str(tool), str(mine), "--images", str(drawn / "images")]
    assert main([*line, "--width", "5"]) == 0
    assert "width: 5" in (mine / "dataset.yaml").read_text()


def test_sigterm_stops_as_ctrl_c_does(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, read = tmp_path / "sim", derived_images.read_label
    calls = 0

    def read_and_ask(path: Path) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return read(path)

    monkeypatch.setattr(derived_images, "read_label", read_and_ask)
    line = ["simulate", str(drawn), "--out", str(out), "--workers", "1"]
    assert main(line) == 143
    assert "stopped; the same command goes on" in capsys.readouterr().err
    assert not (out / "lock").exists()
    assert main(line) == 0
    assert "6 made, 2 were there already" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

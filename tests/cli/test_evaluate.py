import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from scribbleseg.annotation import read_label, write_label
from scribbleseg.cli.main import main
from scribbleseg.evaluation import read_volumes


@pytest.fixture
def predictions(drawn: Path, tmp_path: Path) -> Path:
    """The masks of three images, the last one moved by a column."""
    for index in (8, 9, 10):
        label = read_label(drawn / "masks" / f"cell {index}.png")
        write_label(tmp_path / "p" / f"cell {index}.png", np.roll(label, int(index == 10), axis=1))
    return tmp_path / "p"


def test_table(predictions: Path, drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            [
                "evaluate",
                str(predictions),
                str(drawn / "masks"),
                "--classes",
                "[ground,disc,square]",
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "3 images" in out
    assert "square" in out
    assert "8 of 11 masks have no prediction and were left out" in out


def test_json_with_unnamed_classes(
    predictions: Path, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(predictions), str(drawn / "masks"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts["classes"]) == ["class 0", "class 1", "class 2"]
    assert 0.9 < facts["miou"] < 1
    assert np.sum(facts["confusion"]) == 3 * 48 * 64


def test_volumes(
    predictions: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "v.csv").write_text(
        # ids with spaces cannot stand in the slices column: the volume is made of renamed copies
        "patient,frame,spacing_z,spacing_y,spacing_x,slices\np,f,5,1,1,a b\n"
    )
    for name, index in (("a", 8), ("b", 9)):
        label = read_label(drawn / "masks" / f"cell {index}.png")
        write_label(tmp_path / "q" / f"{name}.png", label)
        write_label(tmp_path / "m" / f"{name}.png", label)
    command = [
        "evaluate",
        str(tmp_path / "q"),
        str(tmp_path / "m"),
        "--volumes",
        str(tmp_path / "v.csv"),
        "--json",
    ]
    assert main(command) == 0
    volumes = json.loads(capsys.readouterr().out)["volumes"]
    assert (volumes["count"], volumes["mean_dice"], volumes["mean_hd95_mm"]) == (1, 1.0, 0.0)


def test_a_list_says_what_must_be_there(
    predictions: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "l.txt").write_text("cell 8\ncell 0\n")
    command = [
        "evaluate",
        str(predictions),
        str(drawn / "masks"),
        "--list",
        str(tmp_path / "l.txt"),
    ]
    assert main(command) == 2
    assert "cell 0.png: no prediction" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "m"], "nowhere: no such folder"),
        (["{p}", "nowhere"], "cell 10.png: no mask and 2 more"),
        (["{p}", "{m}", "--clases", "[a]"], "'clases' is unknown; did you mean 'classes'?"),
        (["{p}", "{m}", "--classes", "[a,b]"], "label 2 on"),
        (["{p}"], "masks are missing; give their folder after the predictions, or --dataset"),
        (["{p}", "{m}", "--layout", "acdc"], "--layout describes a --dataset"),
        (["{p}", "{m}", "--scribbles", "nowhere"], "nowhere/cell 10.png: no such file, and no"),
        (["{p}", "{m}", "--images", "x"], "--images gives --report its examples"),
        (["{p}", "{m}", "--images", "x", "--report", "r"], "x: no such folder"),
        (["{p}", "{m}", "--dilation_ratio", "2"], "dilation_ratio"),
        (["{p}", "{m}", "--csv", "{m}"], "masks: exists; choose another name, or --overwrite"),
        (["{p}", "--dataset", "{d}", "--list", "tset"], "list 'tset' not found"),
        (["{p}", "--dataset", "nowhere"], "data.root: no folder 'nowhere'"),
    ],
)
def test_mistakes(
    predictions: Path,
    drawn: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [word.format(p=predictions, m=drawn / "masks", d=drawn) for word in arguments]
    assert main(["evaluate", *filled]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_dataset_brings_everything(
    predictions: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--csv", str(tmp_path / "out/i.csv"), "--report", str(tmp_path / "out")]
    command = ["evaluate", str(predictions), "--dataset", str(drawn), *files]
    assert main([*command, "--list", "test", "--hd95"]) == 0
    out = capsys.readouterr().out
    for words in ("square", "3 images, by distance", "HD95 px", "index.html", "i.csv"):
        assert words in out
    with (tmp_path / "out/i.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["cell 10", "cell 8", "cell 9"]  # the moved one first
    assert float(rows[0]["miou"]) < 1 == float(rows[1]["miou"])
    assert rows[1]["hd95_px/disc"] == "0"
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    for words in (str(predictions), str(drawn / "masks"), "All images", "Where it fails", "cells"):
        assert words in page
    assert page.count("data:image/jpeg") == 1

    assert main(command) == 2
    assert "i.csv: exists; choose another name, or --overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--scribbles", "none", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)  # nothing else is printed
    assert "scribble_distance" not in facts
    assert "Where it fails" not in (tmp_path / "out/index.html").read_text(encoding="utf-8")


def test_what_is_given_by_name_goes_over_the_dataset(
    predictions: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(predictions), str(predictions), "--dataset", str(drawn), "--json"]
    command += ["--scribbles", "none"]
    assert main([*command, "--classes", "[a,b,c,d]", "--ignore_index", "1"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts["classes"]) == ["a", "b", "c", "d"]
    assert facts["miou"] == 1
    assert sum(facts["confusion"][1]) == 0


def test_report_of_foreign_label_images(
    predictions: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(predictions), str(drawn / "masks")]
    assert main([*command, "--report", str(tmp_path / "bare.html")]) == 0
    assert "<img" not in (tmp_path / "bare.html").read_text(encoding="utf-8")
    pictures = ["--images", str(drawn / "images"), "--scribbles", str(drawn / "scribbles")]
    assert main([*command, *pictures, "--report", str(tmp_path / "full.html")]) == 0
    page = (tmp_path / "full.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" in page
    assert "Where it fails" in page
    assert "class 2" in page
    assert f"report: {tmp_path / 'full.html'}" in capsys.readouterr().out


def test_damaged_files_end_it_unless_they_may_be_skipped(
    predictions: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("masks", "images"):
        shutil.copytree(drawn / folder, tmp_path / folder)
    (tmp_path / "masks/cell 9.png").write_bytes(b"no mask")
    (tmp_path / "images/cell 8.png").write_bytes(b"no picture")
    command = ["evaluate", str(predictions), str(tmp_path / "masks")]
    assert main(command) == 2
    assert capsys.readouterr().err.count("cell 9.png: not a picture") == 1
    command += [
        "--skip_unreadable",
        "--report",
        str(tmp_path),
        "--images",
        str(tmp_path / "images"),
    ]
    assert main([*command, "--overwrite"]) == 0
    out = capsys.readouterr().out
    assert "2 images, pooled pixels" in out
    assert "1 of 3 images are in no number because a file cannot be read" in out
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "cell 9.png: not a picture" in page
    assert "pictures that cannot be read" in page
    assert "Ranked by the mean IoU of the image: cell 10 (" in page
    assert main([*command, "--overwrite", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["skipped"]) == ["cell 9"]


@pytest.mark.data
def test_a_real_dataset_with_volumes(
    data_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two volumes of ACDC, every label moved by two columns."""
    monkeypatch.setenv("SCRIBBLESEG_DATA", str(data_root))
    volumes = read_volumes(data_root / "acdc/volumes.csv")[:2]
    for name in [name for volume in volumes for name in volume.slices]:
        label = read_label(data_root / f"acdc/SegmentationClass/{name}.png")
        write_label(tmp_path / f"{name}.png", np.roll(label, 2, axis=1))
    assert main(["evaluate", str(tmp_path), "--dataset", "acdc", "--hd95", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts["classes"]) == ["background", "RV", "MYO", "LV"]
    assert facts["volumes"]["count"] == 2
    assert facts["image_means"]["classes"]["LV"]["hd95_px"] == pytest.approx(2, abs=0.01)
    assert facts["boundary"]["miou"] < facts["miou"] < 1
    assert facts["scribble_distance"]["bins"][0]["accuracy"] > 0.9
    assert (
        main(["evaluate", str(tmp_path), "--dataset", "acdc", "--volumes", "none", "--json"]) == 0
    )
    assert "volumes" not in json.loads(capsys.readouterr().out)

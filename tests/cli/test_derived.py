import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from scribbleseg.annotation import read_label
from scribbleseg.cli.main import main
from scribbleseg.data.layout import with_scribbles
from scribbleseg.data.layouts import load_layout
from scribbleseg.errors import ConfigError


def test_simulated_scribbles(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sim"
    line = ["simulate", str(drawn), "--style", "random", "--width", "1", "--out", str(out)]
    assert main(line) == 0
    assert f"{out}: 8 made" in capsys.readouterr().out
    for path in sorted(out.glob("*.png")):
        scribble, mask = read_label(path), read_label(drawn / "masks" / path.name)
        strokes = scribble != 255
        assert set(np.unique(scribble[strokes])) == set(np.unique(mask))
        np.testing.assert_array_equal(scribble[strokes], mask[strokes])
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([*line, "--workers", "1"]) == 0
    assert f"{out}: 0 made, 8 were there already" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    other = tmp_path / "other"
    assert main([*line[:-1], str(other), "--variant", "2"]) == 0
    assert any((other / name).read_bytes() != data for name, data in before.items())


def test_all_images_of_a_list(drawn: Path, tmp_path: Path) -> None:
    assert main(["simulate", str(drawn), "--list", "test", "--out", str(tmp_path / "sim")]) == 0
    assert len(list((tmp_path / "sim").glob("*.png"))) == 3


def test_perturbed_scribbles_are_part_of_the_old_ones(drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "short"
    assert main(["perturb", str(drawn), "--shrink", "0.3", "--out", str(out)]) == 0
    for path in out.glob("*.png"):
        before, after = read_label(drawn / "scribbles" / path.name), read_label(path)
        kept = after != 255
        assert 0 < kept.sum() < 0.6 * (before != 255).sum()
        np.testing.assert_array_equal(after[kept], before[kept])


def test_strokes_that_cannot_be_dropped_are_said(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["perturb", str(drawn), "--drop", "1", "--out"]
    for path in (drawn / "scribbles").glob("*.png"):
        label = read_label(path)
        assert all(cv2.connectedComponents((label == c).astype("u1"))[0] == 2
                   for c in set(label.ravel().tolist()) - {255})  # one stroke a class  # fmt: skip
    assert main([*line, str(tmp_path / "same")]) == 0
    assert "nothing is changed: the last stroke of a class" in capsys.readouterr().out
    assert main([*line, str(tmp_path / "empty"), "--allow_losing_classes"]) == 0
    assert "nothing is changed" not in capsys.readouterr().out


def test_distance_maps(drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps"
    assert main(["distance", str(drawn), "--scale", "e2", "--out", str(out)]) == 0
    path = sorted(out.glob("*.png"))[0]
    strokes = read_label(drawn / "scribbles" / path.name)
    values = np.asarray(Image.open(path))
    assert ((values == 255) == ((strokes != 0) & (strokes != 255))).all()

    labels = tmp_path / "labels"
    shutil.copytree(drawn / "masks", labels)
    shutil.copy(labels / "cell 0.png", labels / "cell 0.confidence.png")
    of = ["distance", str(drawn), "--of", str(labels), "--out", str(tmp_path / "outline")]
    assert main(of) == 0
    assert len(list((tmp_path / "outline").glob("*.png"))) == 11


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["simulate", "DRAWN"], "out"),
        (["simulate", "DRAWN", "--style", "zigzag", "--out", "x"], "style"),
        (["simulate", "DRAWN", "--list", "mine", "--out", "x"], "list 'mine' not found"),
        (["simulate", "DRAWN", "--length", "2", "--out", "x"], "length: 2"),
        (["simulate", "DRAWN", "--variant", "2", "--out", "x"], "leaves nothing to chance"),
        (["perturb", "DRAWN", "--out", "x"], "nothing to do; give --shrink"),
        (["perturb", "DRAWN", "--drop", "1.5", "--out", "x"], "drop: 1.5"),
        (["distance", "DRAWN", "--scale", "far", "--out", "x"], "far"),
        (["distance", "DRAWN", "--of", "nowhere", "--out", "x"], "nowhere: no such folder"),
        (["simulate", "DRAWN", "--out", "DRAWN"], "was not made by this command"),
        (["simulate", "DRAWN"], "out; give them\n"),
        (["simulate", "DRAWN", "--backend", "dask", "--out", "x"], "--scheduler"),
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
    before = sorted(drawn.rglob("*"))
    assert main([word.replace("DRAWN", str(drawn)) for word in line]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
    assert sorted(drawn.rglob("*")) == before


def test_a_mask_out_of_range_is_named(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(drawn, tmp_path / "cells"))
    Image.fromarray(np.full((48, 64), 9, np.uint8)).save(root / "masks/cell 3.png")
    assert main(["simulate", str(root), "--out", str(tmp_path / "sim")]) == 2
    assert "cell 3.png: label 9" in capsys.readouterr().err
    assert len(list((tmp_path / "sim").glob("*.png"))) == 7


def test_scribbles_of_another_folder_are_trained_on_and_recorded(
    drawn: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sim"
    assert main(["simulate", str(drawn), "--out", str(out), "--width", "2"]) == 0
    layout, root = load_layout("folder", str(drawn))
    other = with_scribbles(layout, root, str(out))
    records = other.records(root, ["cell 0"], "scribble")
    assert records[0].scribble == out / "cell 0.png"
    assert json.loads(other.raster)["simulate"]["width"] == 2
    with pytest.raises(ConfigError, match=r"data\.scribbles: no folder 'nowhere'"):
        with_scribbles(layout, root, "nowhere")

import json
from pathlib import Path

import numpy as np
import pytest

from scribbleseg.annotation import read_label, write_label
from scribbleseg.cli.main import main


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
    ],
)
def test_mistakes(
    predictions: Path,
    drawn: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [word.format(p=predictions, m=drawn / "masks") for word in arguments]
    assert main(["evaluate", *filled]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

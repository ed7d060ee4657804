import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.e2e.test_train import write_config

from scribbleseg.annotation import read_label
from scribbleseg.cli.main import main
from scribbleseg.recipes.robustness import table_of
from scribbleseg.recipes.training_images import training_images


def test_trainings_table_and_plot(
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config, out = write_config(tmp_path, drawn), tmp_path / "out"
    trained: list[str] = []

    def here(words: Sequence[str]) -> int:
        if len(trained) == 2:  # the third training is stopped
            trained.append("stopped")
            return 143
        trained.append(words[words.index("--run") + 1])
        return main(words)

    monkeypatch.setattr("scribbleseg.cli.robustness.run_in_child", here)
    line = ["robustness", "--config", str(config), "--out", str(out), "--shrink", "[0.3]"]
    line += ["--drop", "[0.5]", "--trainer.max_steps", "2", "--trainer.val_check_interval", "2"]
    assert main(line) == 2
    assert "drop_0.5/seed0: training ended with exit code 143" in capsys.readouterr().err
    assert main(line) == 0
    assert [Path(run).parent.name for run in trained if run != "stopped"] == [
        "whole",
        "shrink_0.3",
        "drop_0.5",
    ]
    table = (out / "robustness.md").read_text()
    assert table in capsys.readouterr().out
    assert [row.split(" | ")[0] for row in table.splitlines()[2:]] == [
        "| whole",
        "| shrink 0.3",
        "| drop 0.5",
    ]
    assert len((out / "robustness.csv").read_text().splitlines()) == 4
    assert np.asarray(Image.open(out / "robustness.png")).std() > 5
    environment = json.loads((out / "runs/shrink_0.3/seed0/environment.json").read_text())
    assert json.loads(environment["raster"])["perturb"]["shrink"] == 0.3
    kept = (out / "robustness.csv").read_text()
    run = out / "runs/whole/seed0"
    assert main(["test", "--run", str(run), "--data.test", "train"]) == 0
    assert main(line) == 2
    assert "whole/seed0: was tested with another checkpoint or" in capsys.readouterr().err
    assert (out / "robustness.csv").read_text() == kept
    assert main(["test", "--run", str(run)]) == 0
    assert main(line) == 0
    assert (out / "robustness.csv").read_text() == kept
    assert main([*line, "--model.optimization.lr", "0.5"]) == 2
    assert "out: holds trainings of something else: options [" in capsys.readouterr().err
    for path in (out / "scribbles/shrink_0.3/seed0").glob("*.png"):
        kept = (read_label(path) != 255).sum()
        assert 0 < kept < 0.6 * (read_label(drawn / "scribbles" / path.name) != 255).sum()


def test_the_scribbles_of_the_config_are_the_ones_that_are_shortened(
    drawn: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    perturb = ["perturb", str(drawn), "--shrink", "0.5", "--out", str(other)]
    assert main(perturb) == 0
    config = Path(write_config(tmp_path, drawn))
    own, _, _ = training_images(config, {})
    chosen, _, _ = training_images(config, {"data.scribbles": str(other)})
    assert own.scribbles == "scribbles"
    assert chosen.scribbles == str(other.resolve())


def test_before_the_first_training_options_may_change(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = write_config(tmp_path, drawn), tmp_path / "out"
    monkeypatch.setattr("scribbleseg.cli.robustness.run_in_child", lambda words: 2)
    line = ["robustness", "--config", str(config), "--out", str(out), "--shrink", "[1]"]
    line += ["--drop", "[0]", "--trainer.max_steps", "2", "--trainer.val_check_interval", "2"]
    assert main([*line, "--data.test", "nosuch"]) == 2
    monkeypatch.setattr("scribbleseg.cli.robustness.run_in_child", main)
    assert main(line) == 0


def test_a_dry_run_changes_nothing(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = ["robustness", "--config", "shapes/partial_ce.yaml", "--out", str(out), "--dry-run"]
    assert main([*line, "--seeds", "[0, 1]"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 * (1 + 4 + 5)
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "x"], "config"),
        (["--config", "nosuch.yaml", "--out", "x"], "no file 'nosuch.yaml'"),
        (["--config", "shapes/partial_ce.yaml", "--out", "x", "--shrink", "far"], "shrink"),
        (
            ["--config", "shapes/partial_ce.yaml", "--out", "x", "--data.root", "nowhere"],
            "no folder",
        ),
        (
            ["--config", "shapes/partial_ce.yaml", "--out", "x", "--shrink", "[5]"],
            "shrink: 5.0 is no share",
        ),
        (
            ["--config", "folder/partial_ce.yaml", "--out", "x", "--dry-run"],
            "data.test is null, so that nothing would be scored; add --data.test LIST",
        ),
    ],
)
def test_mistakes(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if "nowhere" in words:
        words = [*words, "--data.layout", "folder"]
    assert main(["robustness", *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_table_has_mean_and_spread() -> None:
    rows = [
        {"axis": "whole", "ratio": 1.0, "seed": seed, "miou": miou}
        for seed, miou in ((0, 0.5), (1, 0.7))
    ]
    assert table_of(rows).splitlines()[2] == "| whole | 2 | 0.6 ± 0.141 |"


def test_what_was_never_found_has_no_distance() -> None:
    rows = [
        {"axis": axis, "ratio": 0.0, "seed": seed, "dice_3d": 0.0, "hd95_mm": distance}
        for axis, distances in (("shrink", [None, None]), ("drop", [None, 4.0]))
        for seed, distance in enumerate(distances)
    ]
    lines = table_of(rows).splitlines()
    assert lines[2].endswith("| 0 ± 0 | \N{EN DASH} |")
    assert lines[3].endswith("| 0 ± 0 | 4 |")

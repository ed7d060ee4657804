"""A grid of two methods and two seeds, in process."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from tests.e2e.test_train import write_config

from scribbleseg.annotation import read_label
from scribbleseg.cli import benchmark as command
from scribbleseg.cli.main import main
from scribbleseg.recipes import benchmark_jobs
from scribbleseg.recipes.benchmark_cells import Cell
from scribbleseg.recipes.benchmark_rows import add_rows

METHODS: dict[str, Any] = {
    "strokes": {"config": "tiny.yaml", "seeds": [0, 1], "title": "partial CE"},
    "half": {"config": "tiny.yaml", "scribbles": {"shrink": 0.5}},
}


@pytest.fixture
def desk(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, drawn)
    write_spec()
    monkeypatch.setattr(
        benchmark_jobs.Children, "__call__", lambda self, cell, words: main(list(words))
    )
    return tmp_path


def write_spec(options: dict[str, Any] | None = None, **others: Any) -> None:
    spec = {
        "title": "Tiny",
        "runs": "runs",
        "csv": "kept/tiny.csv",
        "seeds": [0],
        "baseline": "strokes",
        "options": options or {"trainer.max_steps": 2, "trainer.val_check_interval": 2},
        "methods": {**METHODS, **others},
    }
    Path("spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))


def rows() -> list[dict[str, str]]:
    with Path("kept/tiny.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_grid(desk: Path, capsys: pytest.CaptureFixture[str], drawn: Path) -> None:
    assert main(["benchmark", "spec.yaml", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("to do") == 3
    assert "3 of 3 cells to train; unknown for 3 of them" in shown
    assert not Path("runs").exists()
    assert not Path("kept").exists()

    assert main(["benchmark", "spec.yaml", "--only", "strokes"]) == 0
    shown = capsys.readouterr().out
    assert "2 of 2: strokes, seed 1: finished" in shown
    assert Path("kept/tiny.md").read_text() in shown
    assert [(row["config"], row["seed"]) for row in rows()] == [("strokes", "0"), ("strokes", "1")]
    scores = json.loads(Path("runs/strokes/seed1/metrics.json").read_text())["test"]
    assert rows()[1]["miou"] == str(round(scores["miou"], 4))

    assert main(["benchmark", "spec.yaml", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "1 of 3 cells to train: about 1 min of training" in shown

    before = Path("runs/strokes/seed0/checkpoints/last.ckpt").stat().st_mtime_ns
    assert main(["benchmark", "spec.yaml"]) == 0
    assert Path("runs/strokes/seed0/checkpoints/last.ckpt").stat().st_mtime_ns == before
    whole, half = rows()[1], rows()[0]
    assert float(half["labelled"]) < 0.7 * float(whole["labelled"])
    shorter = sorted(Path("runs/half/scribbles0_shrink0.5").glob("*.png"))
    assert shorter
    for path in shorter:
        assert (read_label(path) != 255).sum() < (
            read_label(drawn / "scribbles" / path.name) != 255
        ).sum()
    assert "difference to partial CE" in Path("kept/tiny.md").read_text()
    assert Path("runs/spec.html").is_file()
    assert Path("kept/tiny.png").is_file()

    # Scores of other images in a cell's folder are not the cell's.
    kept = rows()
    assert main(["test", "--run", "runs/strokes/seed0", "--data.test", "train"]) == 0
    capsys.readouterr()
    assert main(["benchmark", "spec.yaml"]) == 1
    shown = capsys.readouterr().out
    assert "not tested: strokes, seed 0: its last weights were not tested with the run's" in shown
    assert rows() == kept
    assert main(["test", "--run", "runs/strokes/seed0", "--data.eval_batch_size", "1"]) == 0
    assert main(["benchmark", "spec.yaml"]) == 0
    assert rows() == kept

    # What only the table knows is not trained, and that is said.
    Path("runs/half").rename("runs/other")
    capsys.readouterr()
    assert main(["benchmark", "spec.yaml"]) == 0
    assert "0 cells to train, 2 finished, 1 only in kept/tiny.csv" in capsys.readouterr().out


def test_strokes_are_those_of_the_data_that_the_spec_names(desk: Path, drawn: Path) -> None:
    shutil.copytree(drawn, "mine")
    for path in sorted(Path("mine/scribbles").glob("*.png")):
        strokes = read_label(path)
        strokes[:, : strokes.shape[1] // 2] = 255
        Image.fromarray(strokes).save(path)
    write_spec(options={"data.root": "mine", "trainer.max_steps": 2})
    assert main(["benchmark", "spec.yaml", "--only", "half"]) == 0
    shorter = sorted(Path("runs/half/scribbles0_shrink0.5").glob("*.png"))
    assert shorter
    for path in shorter:
        strokes = read_label(path)
        assert (strokes[:, : strokes.shape[1] // 2] == 255).all()


def leaves(self: object, cell: Cell, words: Sequence[str]) -> int:
    """In place of a training."""
    if cell.method.name == "bad":
        return 2
    run = cell.run
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints/last.ckpt").write_text("weights")
    if cell.method.name != "half":
        scores = {"images": 1, "miou": 0.5, "pixel_accuracy": 0.5, "classes": {}}
        test = {"checkpoint": "last", **scores}
        (run / "metrics.json").write_text(json.dumps({"test": test}))
    return 0


@pytest.fixture
def quick(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(benchmark_jobs.Children, "__call__", leaves)
    return desk


def test_failed_and_changed_cells_are_named_and_the_rest_is_trained(
    quick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spec(bad={"config": "tiny.yaml", "options": {"data.batch_sise": 3}})
    for again in (False, True):
        assert main(["benchmark", "spec.yaml"]) == 1
        shown = capsys.readouterr().out
        assert "failed: bad, seed 0: stage 'seed0' failed with exit code 2; log: runs/bad/" in shown
        assert (
            "half, seed 0: its last weights were not tested with the run's own options; " in shown
        )
        assert ("1 cells to train" in shown) == again
        assert len(rows()) == 2
    write_spec(strokes={"config": "tiny.yaml", "options": {"data.batch_size": 1}})
    assert main(["benchmark", "spec.yaml", "--only", "strokes"]) == 1
    shown = capsys.readouterr().out
    assert "changed: strokes, seed 0: was finished with other settings: --data.batch_size" in shown
    assert "delete runs/strokes/seed0 to train it anew" in shown


def test_a_damaged_cell_stops_no_other(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "spec.yaml", "--only", "strokes"]) == 0
    kept = rows()
    Path("runs/strokes/seed0/metrics.json").write_text('{"test": ')
    Path("runs/strokes/seed1/stage.json").write_text("")
    write_spec(other={"config": "tiny.yaml"}, bad={"config": "tiny.yaml"})
    lines = [
        f"damaged: strokes, seed {seed}: runs/strokes/seed{seed}/{name}: is damaged, no JSON object"
        for seed, name in enumerate(("metrics.json", "stage.json"))
    ]
    capsys.readouterr()
    assert main(["benchmark", "spec.yaml", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert all(line in shown for line in lines)
    assert "3 of 3 cells to train" in shown

    assert main(["benchmark", "spec.yaml", "--only", "bad", "strokes"]) == 1
    shown = capsys.readouterr().out
    assert all(line in shown for line in lines)
    assert "failed: bad, seed 0" in shown

    assert main(["benchmark", "spec.yaml", "--only", "other"]) == 0
    assert [row["config"] for row in rows()] == ["other", "strokes", "strokes"]
    assert [row | {"inputs": ""} for row in rows()[1:]] == [row | {"inputs": ""} for row in kept]


def test_settings_that_change_while_a_cell_is_trained(
    quick: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def edited(self: object, cell: Cell, words: Sequence[str]) -> int:
        path = Path("tiny.yaml")
        path.write_text(path.read_text().replace("seed_everything: 0", "seed_everything: 7"))
        return leaves(self, cell, words)

    text = Path("tiny.yaml").read_text()
    if "seed_everything: 0" not in text:
        Path("tiny.yaml").write_text(f"seed_everything: 0\n{text}")
    monkeypatch.setattr(benchmark_jobs.Children, "__call__", edited)
    write_spec(strokes={"config": "tiny.yaml", "seeds": [0]})
    assert main(["benchmark", "spec.yaml", "--only", "strokes"]) == 1
    shown = capsys.readouterr().out
    assert "1 of 1: strokes, seed 0: not finished" in shown
    assert "its settings were changed while it was trained: config: " in shown
    assert not Path("kept/tiny.csv").exists()


def test_a_row_that_another_machine_measured_stays(quick: Path) -> None:
    assert main(["benchmark", "spec.yaml", "--only", "strokes"]) == 0
    path = Path("kept/tiny.csv")
    path.write_text(path.read_text().replace("0.5,0.5", "0.6,0.5"))
    theirs = rows()
    assert {row["miou"] for row in theirs} == {"0.6"}
    assert main(["benchmark", "spec.yaml", "--only", "strokes"]) == 0
    assert rows() == theirs
    shutil.rmtree("runs/strokes/seed1")
    path.write_text(path.read_text().replace("strokes,1", "strokes,2"))  # nobody's seed
    assert main(["benchmark", "spec.yaml", "--only", "strokes"]) == 0
    assert [row["miou"] for row in rows()] == ["0.6", "0.5", "0.6"]


def test_pages_have_the_rows_that_another_process_adds_meanwhile(
    quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["benchmark", "spec.yaml", "--only", "strokes"]) == 0
    page = Path("kept/tiny.md")
    assert "| half |" not in page.read_text()
    write = command.write_benchmark

    def interleaved(*arguments: Any) -> str:
        if len(rows()) == 2:
            add_rows(Path("kept/tiny.csv"), [{**rows()[0], "config": "half"}])
        return write(*arguments)

    monkeypatch.setattr(command, "write_benchmark", interleaved)
    assert main(["benchmark", "spec.yaml", "--only", "strokes"]) == 0
    assert "| half |" in page.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "broken.yaml: not valid YAML"),
        ("- a\n- b", "broken.yaml: a config is ['a', 'b']; expected 'name: value' lines"),
        ("data: 3", "broken.yaml: data is 3; expected"),
    ],
)
def test_a_config_that_is_none_is_named(
    quick: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken.yaml").write_text(text)
    write_spec(broken={"config": "broken.yaml"})
    assert main(["benchmark", "spec.yaml"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nosuch.yaml"], "benchmark: no file 'nosuch.yaml'; the library has"),
        (["spec.yaml", "--only", "nobody"], "has no method 'nobody'; methods: strokes, half"),
        (["spec.yaml", "--jobs", "0"], "jobs"),
        (["spec.yaml", "--csv", "a.md"], "--csv is 'a.md'; expected a name that ends in .csv"),
        (["spec.yaml", "--cluster", "slurm", "--jobs", "2"], "--jobs: is for this machine"),
        (["spec.yaml", "--cluster_options", "{timeout_min: 3}"], "are for --cluster, which is not"),
        (["spec.yaml", "--dryrun"], "did you mean 'dry-run'"),
    ],
)
def test_mistakes(
    desk: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(desk.rglob("*"))
    assert main(["benchmark", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(desk.rglob("*")) == before


def test_the_plan_needs_no_torch(desk: Path) -> None:
    """Nor does it while it waits: what a child has inherited would count as its memory."""
    line = "from scribbleseg.cli.main import main; main(['benchmark', 'spec.yaml', '--dry-run'])"
    code = f"import sys; {line}; print('torch' in sys.modules, 'lightning' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "False False"

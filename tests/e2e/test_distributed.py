"""Two processes give the numbers of one."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_train import write_config

from scribbleseg.cli.main import main

pytestmark = pytest.mark.ddp

TWO = ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
ONE = ["--trainer.devices", "1", "--trainer.strategy", "auto"]


def in_two_processes(*arguments: str) -> None:
    program = Path(sys.executable).parent / "scribbleseg"
    done = subprocess.run(
        [str(program), *arguments, *TWO], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def counts(run: Path) -> dict[str, Any]:
    scores = json.loads((run / "metrics.json").read_text())
    return {split: scores[split]["confusion"] for split in scores}


@pytest.fixture(scope="module")
def run(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    in_two_processes("fit", "--config", write_config(folder, drawn), "--run", str(folder / "run"))
    return folder / "run"


def test_training_leaves_one_whole_run_folder(run: Path) -> None:
    environment = json.loads((run / "environment.json").read_text())
    assert environment["processes"] == 2
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["steps"]) == ("done", 6)
    assert len(list((run / "predictions").glob("*.png"))) == 3
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows if row["loss/total"]] == [0, 1, 2, 3, 4, 5]
    assert len([row for row in rows if row["val/miou"]]) == 3


def test_counts_of_an_odd_number_of_images_are_those_of_one_process(run: Path) -> None:
    """3 images on 2 processes: none is counted twice, none is left out."""
    assert main(["validate", "--run", str(run), *ONE]) == 0
    assert main(["test", "--run", str(run), *ONE]) == 0
    alone = counts(run)
    in_two_processes("validate", "--run", str(run))
    in_two_processes("test", "--run", str(run))
    assert counts(run) == alone
    assert sum(map(sum, alone["val"])) == 3 * 48 * 64

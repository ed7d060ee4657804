"""A recipe in real processes: killed, continued, stopped, failed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from tests.e2e.test_train import weights, write_config

from scribbleseg.cli.main import main


@pytest.fixture
def recipe(drawn: Path, tmp_path: Path) -> Path:
    config = Path(write_config(tmp_path, drawn))
    steps = {"trainer.max_steps": 30, "trainer.val_check_interval": 10, "save_every": 3}
    content = {
        "stages": {
            "teacher": {"command": "fit", "options": {"config": str(config), **steps}},
            "labels": {
                "command": "pseudolabel",
                "options": {"run": "{teacher}", "threshold": 0.5},
            },
            "student": {
                "command": "fit",
                "options": {
                    "config": str(config),
                    **steps,
                    "model": "SelfTraining",
                    "data.pseudo_labels": "{labels}",
                },
            },
        }
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def start(recipe: Path, run: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "scribbleseg", "run", str(recipe), "--run", str(run)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait_for(path: Path) -> None:
    for _ in range(1800):  # on a busy machine a stage takes a minute to start
        if path.is_file():
            return
        time.sleep(0.1)
    pytest.fail(f"{path} did not appear")


def wait_for_death(lock: Path) -> None:
    """The child of a killed recipe is asked to stop, and gives its folder back."""
    for _ in range(300):
        if not lock.is_file():
            return
        time.sleep(0.1)
    pytest.fail(f"{lock} is still there")


@pytest.mark.slow
def test_killed_and_stopped_recipes_end_as_whole_ones_do(recipe: Path, tmp_path: Path) -> None:
    in_this_process = pytest.MonkeyPatch.context  # half the time
    with in_this_process() as patch:
        patch.setattr("scribbleseg.cli.run.run_in_child", main)
        assert main(["run", str(recipe), "--run", str(tmp_path / "whole")]) == 0
    run = tmp_path / "killed"

    with start(recipe, run) as process:
        wait_for(run / "teacher/checkpoints/last.ckpt")
        process.kill()  # kill -9 of the recipe
    wait_for_death(run / "teacher/lock")
    assert not (run / "teacher/stage.json").exists()

    with start(recipe, run) as process:
        wait_for(run / "student/checkpoints/last.ckpt")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "stage 'student' was stopped; the same command goes on with it" in said
    assert json.loads((run / "student/status.json").read_text())["state"] == "interrupted"

    with in_this_process() as patch:
        patch.setattr("scribbleseg.cli.run.run_in_child", main)
        assert main(["run", str(recipe), "--run", str(run)]) == 0
    for stage in ("teacher", "student"):
        whole, resumed = weights(tmp_path / "whole" / stage), weights(run / stage)
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    for path in (tmp_path / "whole/labels").glob("*.png"):
        assert path.read_bytes() == (run / "labels" / path.name).read_bytes()
    assert not (run / "lock").exists()


def test_a_failure_keeps_what_is_finished(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("scribbleseg.cli.run.run_in_child", main)
    run = ["run", str(recipe), "--run", str(tmp_path / "run"), "--teacher.trainer.max_steps", "2"]
    assert main([*run, "--labels.threshold", "7"]) == 2
    error = capfd.readouterr().err
    assert "--threshold: 7.0; expected one value in 0..1" in error
    assert "stage 'labels' failed with exit code 2" in error
    assert "Finished stages are kept (teacher)" in error
    assert main([*run, "--student.trainer.max_steps", "2"]) == 0
    assert "stage 1 of 3, teacher: finished" in capfd.readouterr().out
    before = os.stat(tmp_path / "run/teacher/checkpoints/last.ckpt").st_mtime_ns
    assert main([*run, "--student.trainer.max_steps", "2", "--from", "student"]) == 0
    assert os.stat(tmp_path / "run/teacher/checkpoints/last.ckpt").st_mtime_ns == before


def test_a_dry_run_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["run", "recipes/self_training_folder.yaml", "--root", "cells", "--seed", "4"]
    assert main([*line, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert (
        "--data.root cells --seed_everything 4 --run runs/cells/self_training_recipe/seed4" in said
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch.yaml"], "recipe: no file 'nosuch.yaml'; the library has"),
        (["recipes/self_training_shapes.yaml", "--sed", "1"], "has no variable 'sed'"),
        (["recipes/self_training_shapes.yaml", "--seed"], "--seed: needs a value"),
        (["recipes/self_training_shapes.yaml", "--a.b", "1"], "has no stage 'a'"),
        ([], "recipe"),
    ],
)
def test_mistakes(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

"""Pulling the plug: whatever is killed whenever, nothing is lost and nothing changes."""

import json
import multiprocessing
import os
import random
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.e2e.test_train import metrics, weights, write_config

from scribbleseg.cli.main import main
from scribbleseg.methods import PartialCrossEntropy
from scribbleseg.recipes.checkpoint import write_checkpoint

KILLED_SAVES = 100


def killed(target: Callable[..., Any], *args: Any, after: float) -> bool:
    """Run a function in a process of its own and kill it; False if it was done before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking while threads exist
        process = multiprocessing.get_context("fork").Process(target=target, args=args)
        process.start()
    process.join(after)
    alive = process.is_alive()
    process.kill()
    process.join()
    return alive


@pytest.mark.parametrize(("workers", "attempts"), [(0, 10), (2, 5)])
def test_kills_at_random_moments_change_nothing(
    drawn: Path, tmp_path: Path, workers: int, attempts: int
) -> None:
    config = write_config(tmp_path, drawn)
    options = ["--config", config, "--data.num_workers", str(workers), "--model.ema_decay", "0.9",
               "--trainer.max_steps", "60", "--trainer.val_check_interval", "5",
               "--save_every", "3"]  # fmt: skip
    started = time.monotonic()
    assert main(["fit", *options, "--run", str(tmp_path / "whole")]) == 0
    duration = time.monotonic() - started

    run, moments, kills = tmp_path / "killed", random.Random(workers), 0
    command = ["fit", *options, "--run", str(run)]
    for _ in range(attempts):
        kills += killed(main, command, after=moments.uniform(0.05, 0.3) * duration)
        if (run / "config.yaml").is_file():
            command = ["fit", "--run", str(run), "--resume"]
    assert kills >= attempts / 2
    assert main(command) == 0

    whole, resumed = weights(tmp_path / "whole"), weights(run)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert (run / "metrics.csv").read_text() == (tmp_path / "whole/metrics.csv").read_text()
    assert metrics(run, "test")["confusion"] == metrics(tmp_path / "whole", "test")["confusion"]
    assert not list(run.rglob("*.tmp"))


def write_for_ever(path: Path) -> None:
    for step in range(10**9):
        write_checkpoint({"step": step, "weights": torch.full((200, 200), float(step))}, path)


def test_a_checkpoint_survives_a_hundred_kills_during_saves(tmp_path: Path) -> None:
    path, moments, kills, last = tmp_path / "last.ckpt", random.Random(0), 0, 0
    for _ in range(KILLED_SAVES):
        kills += killed(write_for_ever, path, after=moments.uniform(0.01, 0.05))
        if path.is_file():
            checkpoint = torch.load(path, weights_only=True)
            assert (checkpoint["weights"] == checkpoint["step"]).all()
            last = max(last, checkpoint["step"])
    assert kills == KILLED_SAVES
    assert last > 0


BUDGETS = {
    "steps": ["--trainer.max_steps", "9", "--trainer.val_check_interval", "3"],
    "epochs": [
        "--data.val", "null", "--trainer.max_steps", "-1", "--trainer.max_epochs", "3",
        "--trainer.check_val_every_n_epoch", "1",
    ],
    "accumulation": [
        "--data.batch_size", "1", "--trainer.max_steps", "9", "--trainer.val_check_interval", "3",
        "--trainer.accumulate_grad_batches", "2",
    ],
}  # fmt: skip


@pytest.mark.parametrize("budget", BUDGETS)
def test_checkpoints_between_any_two_steps_resume_exactly(
    drawn: Path, tmp_path: Path, budget: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked to stop after every single step in turn: middle, border and first step of an epoch."""
    config = write_config(tmp_path, drawn)
    fit = ["fit", "--config", config, "--model.ema_decay", "0.9", *BUDGETS[budget]]
    assert main([*fit, "--run", str(tmp_path / "whole")]) == 0

    original, asked = PartialCrossEntropy.training_loss, []

    def asks(self: PartialCrossEntropy, batch: Any) -> Any:
        if not asked:  # the second time would be meant seriously
            asked.append(os.kill(os.getpid(), signal.SIGTERM))
        return original(self, batch)

    run = tmp_path / "stopped"
    stops, command = 0, [*fit, "--run", str(run)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartialCrossEntropy, "training_loss", asks)
        while (code := main(command)) == 128 + signal.SIGTERM:
            stops += 1
            status = json.loads((run / "status.json").read_text())
            assert (status["state"], status["steps"]) == ("interrupted", stops)
            command = ["fit", "--run", str(run), "--resume"]
            asked.clear()
    assert code == 0
    assert stops >= 8
    whole, resumed = weights(tmp_path / "whole"), weights(run)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert (run / "metrics.csv").read_text() == (tmp_path / "whole/metrics.csv").read_text()
    assert "go on with --resume" in capsys.readouterr().err

"""Ctrl-C and SIGTERM at every moment of a run."""

import json
import multiprocessing
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.e2e.test_train import weights, write_config

from scribbleseg.cli.main import main
from scribbleseg.methods import PartialCrossEntropy
from scribbleseg.recipes import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(scope="module")
def whole(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(["fit", "--config", write_config(folder, drawn), "--run", str(folder / "run")]) == 0
    return folder


def run_until(
    signum: int, moment: str, folder: Path, config: str, times: int = 1, group: bool = False
) -> int | None:
    """Run ``fit`` in a process that signals itself when it calls a function the second time.

    With ``group`` it signals all its processes, as a terminal and batch systems do.
    """

    def target() -> None:
        if group:
            os.setsid()
        owner, name = {
            "train": (PartialCrossEntropy, "training_loss"),
            "val": (PartialCrossEntropy, "validation_step"),
            "save": (checkpoint, "_check_archive"),
            "test": (PartialCrossEntropy, "test_step"),
            "audit": (PartialCrossEntropy, "check_supervision"),
        }[moment]
        original, calls = getattr(owner, name), []

        def signals(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            if len(calls) == 2 or (moment == "audit" and len(calls) == 1):
                for _ in range(times):
                    os.killpg(0, signum) if group else os.kill(os.getpid(), signum)
            return original(*args, **kwargs)

        setattr(owner, name, signals)
        os._exit(main(["fit", "--config", config, "--run", str(folder / "run")]))

    process = multiprocessing.get_context("fork").Process(target=target)
    process.start()
    process.join(60)
    return process.exitcode


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["train", "val", "save", "test"])
def test_the_step_is_finished_and_saved(
    drawn: Path,
    tmp_path: Path,
    whole: Path,
    moment: str,
    signum: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run_until(signum, moment, tmp_path, write_config(tmp_path, drawn)) == 128 + signum
    error = capfd.readouterr().err
    assert f"stopped by {signal.Signals(signum).name}" in error
    assert ("once more to leave at once" in error) == (moment != "test")
    run = tmp_path / "run"
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "interrupted"
    steps = {"train": 2, "val": 2, "save": 3, "test": 6}[moment]
    assert status["steps"] == steps
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] == steps
    assert not (run / "lock").exists()
    assert main(["fit", "--run", str(run), "--resume"]) == 0
    expected, resumed = weights(whole / "run"), weights(run)
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    assert (run / "metrics.csv").read_text() == (whole / "run/metrics.csv").read_text()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["train", "val"])
def test_loader_workers_outlive_the_step(
    drawn: Path, tmp_path: Path, whole: Path, moment: str, signum: int
) -> None:
    config = write_config(tmp_path, drawn, num_workers=2)
    assert run_until(signum, moment, tmp_path, config, group=True) == 128 + signum
    run = tmp_path / "run"
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["steps"]) == ("interrupted", 2)
    assert main(["fit", "--run", str(run), "--resume"]) == 0
    expected, resumed = weights(whole / "run"), weights(run)
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)


@pytest.mark.parametrize("moment", ["train", "val", "save"])
def test_a_second_signal_leaves_at_once(drawn: Path, tmp_path: Path, moment: str) -> None:
    config = write_config(tmp_path, drawn)
    assert run_until(signal.SIGTERM, moment, tmp_path, config, times=2) == 128 + signal.SIGTERM
    run = tmp_path / "run"
    assert json.loads((run / "status.json").read_text())["state"] == "running"
    assert main(["fit", "--run", str(run), "--resume"]) == 0


def test_a_recipe_may_pass_a_sigterm_on(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch systems signal every process, and the recipe its stage once more."""
    monkeypatch.setenv("SCRIBBLESEG_IN_RECIPE", "1")
    config = write_config(tmp_path, drawn)
    assert run_until(signal.SIGTERM, "train", tmp_path, config, times=2) == 128 + signal.SIGTERM
    assert json.loads((tmp_path / "run/status.json").read_text())["state"] == "interrupted"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_validation_alone_is_stopped_too(signum: int, whole: Path) -> None:
    before = (whole / "run/metrics.json").read_text()

    def target() -> None:
        original = PartialCrossEntropy.validation_step

        def signals(*args: Any, **kwargs: Any) -> Any:
            os.kill(os.getpid(), signum)
            return original(*args, **kwargs)

        PartialCrossEntropy.validation_step = signals  # type: ignore[method-assign]
        os._exit(main(["validate", "--run", str(whole / "run")]))

    process = multiprocessing.get_context("fork").Process(target=target)
    process.start()
    process.join(60)
    assert process.exitcode == 128 + signum
    assert (whole / "run/metrics.json").read_text() == before
    assert not (whole / "run/lock").exists()


@pytest.mark.parametrize("command", ["validate", "test"])
def test_a_run_in_which_another_process_works_is_not_scored(
    command: str, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = whole / "run/lock"
    lock.write_text(json.dumps({"pid": os.getppid(), "host": socket.gethostname()}))
    try:
        assert main([command, "--run", str(whole / "run")]) == 2
    finally:
        lock.unlink()
    assert "works in this folder; wait for it" in capsys.readouterr().err


def test_before_training_nothing_is_left_behind(drawn: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, drawn)
    assert run_until(signal.SIGINT, "audit", tmp_path, config) == 128 + signal.SIGINT
    assert not (tmp_path / "run").exists()


def test_the_signals_are_given_back(drawn: Path, tmp_path: Path) -> None:
    before = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    assert main(["fit", "--config", write_config(tmp_path, drawn), "--run",
                 str(tmp_path / "run"), "--trainer.max_steps", "1"]) == 0  # fmt: skip
    assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)] == before

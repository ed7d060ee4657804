"""A run goes on as if nobody had interrupted it, and says what has changed meanwhile."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tests.e2e.test_train import metrics, weights, write_config

from scribbleseg.cli.main import main
from scribbleseg.methods import PartialCrossEntropy


@pytest.fixture(scope="module")
def begun(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps of four."""
    folder = tmp_path_factory.mktemp("begun")
    config = write_config(folder, drawn, batch_size=4)
    assert main(["fit", "--config", config, "--run", str(folder / "run")]) == 0
    return folder / "run"


class Killed(BaseException):
    """Stands for a kill: nothing may clean up after it."""


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("killed_after", [3, 5])
def test_a_resumed_run_equals_an_uninterrupted_one(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, killed_after: int
) -> None:
    """Checkpoints at steps 2 and 4 of epochs of 4: in the middle, and at the border."""
    config = write_config(tmp_path, drawn)
    options = ["--config", config, "--data.num_workers", str(workers), "--model.ema_decay", "0.9"]
    assert main(["fit", *options, "--run", str(tmp_path / "whole")]) == 0

    original, calls = PartialCrossEntropy.training_loss, []

    def dies(self: PartialCrossEntropy, batch: Any) -> Any:
        calls.append(batch["name"])
        if len(calls) > killed_after:
            raise Killed
        return original(self, batch)

    monkeypatch.setattr(PartialCrossEntropy, "training_loss", dies)
    with pytest.raises(Killed):
        main(["fit", *options, "--run", str(tmp_path / "killed")])
    monkeypatch.setattr(PartialCrossEntropy, "training_loss", original)
    assert json.loads((tmp_path / "killed/status.json").read_text())["state"] == "failed"
    assert main(["fit", "--run", str(tmp_path / "killed"), "--resume"]) == 0

    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert (tmp_path / "killed/metrics.csv").read_text() == (
        tmp_path / "whole/metrics.csv"
    ).read_text()
    assert (
        metrics(tmp_path / "killed", "test")["confusion"]
        == metrics(tmp_path / "whole", "test")["confusion"]
    )


def test_resume_goes_on_with_the_runs_own_config(
    begun: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, drawn)
    assert main(["fit", "--config", config, "--run", str(begun), "--resume"]) == 2
    error = capsys.readouterr().err
    assert "--resume continues with the run's own config, but these values differ: " in error
    assert "data.batch_size 4 -> 2" in error


def test_resume_says_when_images_have_come_or_gone(
    begun: Path, drawn: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, run = tmp_path / "cells", Path(shutil.copytree(begun, tmp_path / "run"))
    shutil.copytree(drawn, root)
    for name in ("config.yaml", "environment.json"):
        text = (run / name).read_text()
        (run / name).write_text(text.replace(str(drawn), str(root)))
    line = ["fit", "--run", str(run), "--resume"]
    assert main(line) == 0
    assert "images until now" not in caplog.text
    listed = next(root.rglob("train.txt"))
    listed.write_text("\n".join(listed.read_text().split("\n")[1:]))
    assert main(line) == 0
    assert "trained on 8 images until now, on 7 from here on" in caplog.text


def test_resume_may_change_what_no_weight_depends_on(drawn: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit = ["fit", "--run", str(run)]
    assert main([*fit, "--config", write_config(tmp_path, drawn)]) == 0
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["max_bad_steps"]  # as if a version without this option had made the run
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert main([*fit, "--resume", "--data.num_workers", "1", "--data.eval_batch_size", "3"]) == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["num_workers"] == 1


def test_a_complete_run_says_that_nothing_is_trained(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (begun / "checkpoints/last.ckpt").read_bytes()
    capsys.readouterr()
    assert main(["fit", "--resume", "--run", str(begun)]) == 0
    assert f"{begun}: its training is complete and is not done again" in capsys.readouterr().out
    assert (begun / "checkpoints/last.ckpt").read_bytes() == before

"""What a training costs, also if it is stopped and goes on."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.e2e.test_train import write_config

from scribbleseg.cli.main import main
from scribbleseg.methods import PartialCrossEntropy
from scribbleseg.recipes import run_cost
from scribbleseg.recipes.run_cost import RunCost, peak_memory


def cost(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "cost.json").read_text())
    return found


def test_a_stopped_run_adds_up(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run = write_config(tmp_path, drawn), tmp_path / "run"
    line = ["fit", "--config", config, "--run", str(run), "--trainer.max_steps", "4"]
    line += ["--trainer.val_check_interval", "4", "--save_every", "1", "--data.test", "null"]
    original, calls = PartialCrossEntropy.training_loss, []

    def dies(self: Any, batch: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise OSError(5, "the power went out")
        return original(self, batch)

    monkeypatch.setattr(PartialCrossEntropy, "training_loss", dies)
    assert main(line) == 2
    assert not (run / "cost.json").is_file()
    saved = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["callbacks"]["RunCost"]
    assert (saved["steps"], saved["images"]) == (2, 4)
    assert saved["seconds"] > 0
    assert main([*line, "--resume"]) == 0
    found = cost(run)
    assert found["steps"] == 4
    assert found["seconds"] > saved["seconds"] + found["validation_seconds"]
    # Validation does not count; seconds are rounded to tenths.
    assert found["images_per_second"] > 8 / (found["seconds"] + 0.1)
    assert 50 < found["peak_memory_mb"] < 50_000
    labelled = json.loads((run / "environment.json").read_text())["training"]["labelled_fraction"]
    assert found["labelled_share"] == labelled


@pytest.mark.parametrize("others", [["tags", "--data.tags", "mask"], ["leave_out"]])
def test_images_without_labels_count_as_unlabelled(
    drawn: Path, tmp_path: Path, others: list[str]
) -> None:
    shares = []
    for options in ([], ["--data.labelled", "train::2", "--data.unlabelled", *others]):
        run = tmp_path / f"run{len(options)}"
        line = ["fit", "--config", write_config(tmp_path, drawn), "--model", "EntropyMinimisation"]
        line += ["--run", str(run), "--trainer.max_steps", "1", "--data.test", "null"]
        assert main([*line, *options]) == 0
        shares.append(cost(run)["labelled_share"])
    assert 0.4 < shares[1] / shares[0] < 0.6


def test_hand_values(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 12.0, 15.0, 16.0, 21.0])
    monkeypatch.setattr(run_cost.time, "monotonic", lambda: next(now))
    trainer: Any = SimpleNamespace(
        global_step=0,
        world_size=2,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        state=SimpleNamespace(fn="fit"),
    )
    module: Any = None
    found = RunCost()
    found.on_train_start(trainer, module)  # 10
    trainer.global_step = 1
    found.on_train_batch_end(trainer, module, None, {"name": ["a", "b"]}, 0)  # 12
    found.on_validation_start(trainer, module)  # 15
    found.on_validation_end(trainer, module)  # 16
    found.on_train_batch_end(trainer, module, None, {"name": ["a", "b"]}, 1)  # 21: accumulates
    facts = found.facts(1)
    # 2 + 3 + 5 s of training, 1 s of validation, 2 batches of 2 images in 2 processes
    assert (facts["steps"], facts["seconds"], facts["validation_seconds"]) == (1, 11.0, 1.0)
    assert facts["images_per_second"] == 0.8
    again = RunCost()
    again.load_state_dict(found.state_dict())
    assert again.facts(1) == facts


def test_what_was_not_measured_is_not_known() -> None:
    assert RunCost().facts(1500) == {
        "steps": 1500,
        "seconds": None,
        "validation_seconds": None,
        "images_per_second": None,
        "peak_memory_mb": None,
    }


def test_memory_is_that_of_tensors_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7_000_000)
    assert peak_memory(torch.device("cuda:0")) == 7e6
    assert peak_memory(torch.device("cpu")) > 50e6

"""Steps with NaN or infinity in any term or gradient."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.e2e.test_train import weights, write_config
from torch import Tensor

from scribbleseg.cli.main import main
from scribbleseg.methods import EntropyMinimisation, PartialCrossEntropy

BAD = 3
"""The batch that goes wrong, counted from 1."""


def spoil(
    monkeypatch: pytest.MonkeyPatch, method: type, spoilt: Any, bad: tuple[int, ...] = (BAD,)
) -> list[list[str]]:
    """Let ``spoilt(terms, logits)`` change the terms of some batches; the names of all batches."""
    original, names = method.training_loss, []  # type: ignore[attr-defined]

    def training_loss(self: Any, batch: Any) -> Any:
        names.append(batch["name"])
        terms, logits = original(self, batch)
        return (spoilt(terms, logits) if len(names) in bad else terms), logits

    monkeypatch.setattr(method, "training_loss", training_loss)
    return names


def entries(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "bad_steps.jsonl").read_text().splitlines()]


def infinite_gradient(terms: dict[str, Tensor], logits: Tensor) -> dict[str, Tensor]:
    """A finite term whose derivative at 0 is infinite."""
    return {**terms, "root": (logits.sum() * 0).sqrt()}


@pytest.mark.parametrize("term", ["partial_ce", "entropy"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_bad_term_is_skipped_and_written_down(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, term: str, value: float
) -> None:
    names = spoil(monkeypatch, EntropyMinimisation, lambda t, _: {**t, term: t[term] * value})
    run = tmp_path / "run"
    config = write_config(tmp_path, drawn)
    assert main(["fit", "--config", config, "--model", "scribbleseg.methods.EntropyMinimisation",
                 "--run", str(run)]) == 0  # fmt: skip
    assert all(torch.isfinite(w).all() for w in weights(run).values())
    (entry,) = entries(run)
    assert (entry["step"], entry["process"]) == (BAD - 1, 0)
    assert entry["images"] == names[BAD - 1]
    (terms,) = entry["terms"]
    assert terms[term] in {"nan", "inf"}
    other = ({"partial_ce", "entropy"} - {term}).pop()
    assert isinstance(terms[other], float)


def test_a_bad_gradient_is_found_too(
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spoil(monkeypatch, PartialCrossEntropy, infinite_gradient)
    run = tmp_path / "run"
    assert main(["fit", "--config", write_config(tmp_path, drawn), "--run", str(run)]) == 0
    assert all(torch.isfinite(w).all() for w in weights(run).values())
    assert entries(run)[0]["terms"] == [{"partial_ce": pytest.approx(1, abs=1), "root": 0.0}]
    assert "step 2: a gradient is not finite, images cell" in caplog.text


def test_a_skipped_step_leaves_no_trace(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, running statistics and moments after it are those before it."""
    seen: list[dict[str, Tensor]] = []
    original = PartialCrossEntropy.on_train_batch_end

    def watch(self: PartialCrossEntropy, *args: Any) -> None:
        moments = [
            value
            for state in self.optimizers().state.values()  # type: ignore[union-attr]
            for value in state.values()
        ]
        states = [*self.state_dict().values(), *moments]
        seen.append({str(index): value.clone() for index, value in enumerate(states)})
        original(self, *args)

    monkeypatch.setattr(PartialCrossEntropy, "on_train_batch_end", watch)
    spoil(
        monkeypatch, PartialCrossEntropy, lambda t, _: {k: v * float("nan") for k, v in t.items()}
    )
    config = write_config(tmp_path, drawn)
    assert main(["fit", "--config", config, "--run", str(tmp_path / "run")]) == 0
    before, after = seen[BAD - 2], seen[BAD - 1]
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not all(torch.equal(after[name], seen[BAD][name]) for name in after)


def test_too_many_in_a_row_end_the_run(
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, config = tmp_path / "run", write_config(tmp_path, drawn)
    nan = {"spoilt": lambda t, _: {k: v * float("nan") for k, v in t.items()}}
    spoil(monkeypatch, PartialCrossEntropy, **nan, bad=(3, 4, 5))
    assert main(["fit", "--config", config, "--run", str(run), "--max_bad_steps", "3"]) == 2
    error = capsys.readouterr().err
    assert "bad_steps.jsonl: 3 steps in a row had no finite loss or gradient" in error
    assert "partial_ce nan, images cell" in error
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "failed"
    assert all(torch.isfinite(w).all() for w in weights(run).values())


def test_bad_steps_with_good_ones_between_do_not(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, config = tmp_path / "run", write_config(tmp_path, drawn)
    nan = {"spoilt": lambda t, _: {k: v * float("nan") for k, v in t.items()}}
    spoil(monkeypatch, PartialCrossEntropy, **nan, bad=(2, 4, 6))
    assert main(["fit", "--config", config, "--run", str(run), "--max_bad_steps", "2"]) == 0
    assert [entry["step"] for entry in entries(run)] == [1, 3, 5]


def test_all_batches_of_an_accumulated_step_are_named(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, config = tmp_path / "run", write_config(tmp_path, drawn)
    names = spoil(monkeypatch, PartialCrossEntropy, infinite_gradient)
    assert main(["fit", "--config", config, "--run", str(run), "--trainer.max_steps", "3",
                 "--trainer.accumulate_grad_batches", "2"]) == 0  # fmt: skip
    (entry,) = entries(run)
    assert entry["images"] == [*names[2], *names[3]]
    assert [sorted(terms) for terms in entry["terms"]] == [["partial_ce", "root"], ["partial_ce"]]

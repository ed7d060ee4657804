import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from tests.contracts.test_methods import data_for, make, quiet_trainer
from tests.e2e.test_distributed import forked
from tests.e2e.test_train import write_config
from tests.golden_cases import Case, golden
from torch import Tensor, nn

from scribbleseg.data.normalisation import Normalisation
from scribbleseg.errors import ConfigError
from scribbleseg.losses.entropy import entropy_of
from scribbleseg.methods import USTM, learning_rate_factor
from scribbleseg.methods.ustm import random_turns, sigmoid_ramp
from scribbleseg.networks import PlainUNet
from scribbleseg.networks.mean_teacher import teacher_momentum
from scribbleseg.recipes.checkpoint import read_checkpoint
from scribbleseg.recipes.reproducibility import Reproducible

GREY = Normalisation((0.0,), (1.0,))


class Stored(nn.Module):
    """A network that always says the same."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, image: Tensor) -> Tensor:
        return self.logits


def teacher_of(case: Case) -> nn.Conv2d:
    weight = torch.from_numpy(case["teacher_weight"])
    teacher = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, dtype=torch.float64)
    teacher.load_state_dict({"weight": weight, "bias": torch.from_numpy(case["teacher_bias"])})
    return teacher


@golden("baselines", "ustm")
def test_matches_reference(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the turns and the noise of the reference."""
    image, logits = torch.from_numpy(case["image"]), torch.from_numpy(case["logits_student"])
    classes, turns = logits.shape[1], case["quarter_turns"]
    task = USTM(
        network=lambda *_: Stored(logits),
        class_names=["c"] * classes,
        ramp_steps=case["max_iterations"],
        weight_ramp_steps=60_000,
    )
    task.teacher.net = teacher_of(case)
    noise = iter([case["normal_teacher"], *case["normal_uncertainty"]])
    monkeypatch.setattr(torch, "randn_like", lambda _: torch.from_numpy(next(noise)))
    monkeypatch.setattr(torch, "randint", lambda *_: torch.tensor(turns))
    monkeypatch.setattr(USTM, "global_step", case["iteration"])
    seen: dict[str, Any] = {}

    def entropy(prob: Tensor) -> Tensor:
        seen["mean_prob"], seen["uncertainty"] = prob, entropy_of(prob)
        return seen["uncertainty"]

    monkeypatch.setattr("scribbleseg.methods.ustm.entropy_of", entropy)
    terms, _ = task.training_loss(
        {
            "image": image,
            "scribble": torch.from_numpy(case["label"]).long(),
            "valid": torch.ones(len(image), *image.shape[-2:], dtype=torch.bool),
            "normalise": GREY,
        }
    )
    close = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9)
    close(seen["mean_prob"], case["mean_prob"])
    close(seen["uncertainty"], case["uncertainty"][:, 0])
    close(task._limit(), case["threshold"])
    np.testing.assert_array_equal(seen["uncertainty"] < task._limit(), case["mask"][:, 0])
    close(task._weight(), case["weight"])
    close(terms["partial_ce"].item(), case["loss_ce"])
    close(terms["consistency"].item(), case["weight"] * case["loss_consistency"])
    torch.stack(list(terms.values())).sum().backward()
    assert isinstance(task.net, Stored)
    close(task.net.logits.grad, case["grad"])
    assert next(noise, None) is None


@golden("baselines", "ramp")
def test_ramps_match_reference(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    length = case["length"]
    steps = [int(step) for step in case["iteration"]]
    task = make(USTM, ramp_steps=case["max_iterations"], weight_ramp_steps=60_000)
    assert isinstance(task, USTM)
    weights, limits = [], []
    for step in steps:
        monkeypatch.setattr(USTM, "global_step", step)
        weights.append(task._weight())
        limits.append(task._limit())
    found = {
        "sigmoid": [sigmoid_ramp(min(step, length), length) for step in steps],
        "ustm_weight": weights,
        "ustm_threshold": limits,
        "linear": [1 - learning_rate_factor(step, length, schedule="linear") for step in steps],
        "cosine_down": [learning_rate_factor(step, length, schedule="cosine") for step in steps],
    }
    for name, values in found.items():
        np.testing.assert_allclose(values, case[name], rtol=1e-9, atol=1e-9, err_msg=name)


def batch_of(size: tuple[int, int] = (16, 16)) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    scribble = torch.full((2, *size), 255)
    scribble[:, 3, 4], scribble[:, 9, 9] = 1, 2
    return {
        "image": torch.rand(2, 3, *size, generator=generator),
        "scribble": scribble,
        "valid": torch.ones(2, *size, dtype=torch.bool),
        "normalise": Normalisation((0.5,) * 3, (0.25,) * 3),
    }


def test_weight_and_limit_rise_over_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make(USTM, ramp_steps=120, consistency_weight=2.0)
    assert isinstance(task, USTM)
    found = []
    for step in (0, 1, 2, 60, 119, 120, 500):
        monkeypatch.setattr(USTM, "global_step", step)
        found.append((task._weight(), task._limit() / math.log(2)))
    assert found[0][0] == found[1][0] == pytest.approx(2 * math.exp(-5))  # constant in parts
    assert found[2][0] > found[1][0]
    assert [limit for _, limit in found] == sorted(limit for _, limit in found)
    assert found[-2:] == [(2.0, 1.0)] * 2
    with pytest.raises(ConfigError, match=r"model\.ramp_steps: 0; expected 1 or more, or null"):
        make(USTM, ramp_steps=0)
    with pytest.raises(ConfigError, match=r"model\.weight_ramp_steps: -1; expected 1 or more"):
        make(USTM, weight_ramp_steps=-1)
    with pytest.raises(ConfigError, match=r"model\.looks: 7; expected an even number above 0"):
        make(USTM, looks=7)


def test_a_ramp_of_a_run_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make(USTM)
    trainer = SimpleNamespace(estimated_stepping_batches=math.inf)
    monkeypatch.setattr(USTM, "trainer", trainer)
    with pytest.raises(ConfigError, match=r"model\.ramp_steps: null is all steps of the run"):
        task.on_train_start()


def test_turns_keep_the_shape() -> None:
    square, wide = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 6)
    torch.manual_seed(0)
    assert {random_turns(square) for _ in range(60)} == {0, 1, 2, 3}
    assert {random_turns(wide) for _ in range(60)} == {0, 2}


def test_noise_is_that_of_intensities_whatever_the_normalisation() -> None:
    task = make(USTM)
    assert isinstance(task, USTM)
    image = torch.zeros(2, 3, 64, 64)
    noise = task._noisy(image, Normalisation((0.5,) * 3, (0.25, 0.5, 1.0)))
    assert noise.abs().amax(dim=(0, 2, 3)).tolist() == pytest.approx([0.8, 0.4, 0.2])
    assert noise.std(dim=(0, 2, 3)).tolist() == pytest.approx([0.38, 0.19, 0.095], rel=0.1)


def test_padding_is_never_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    task, batch = make(USTM), batch_of()
    monkeypatch.setattr("scribbleseg.methods.ustm.entropy_of", lambda prob: 0 * prob[:, 0])
    assert task.training_loss(batch)[0]["consistency"] > 0
    batch["valid"][:] = False
    assert task.training_loss(batch)[0]["consistency"] == 0


def test_the_teacher_is_no_part_of_the_network_that_is_exported() -> None:
    task = make(USTM)
    assert set(task.net.state_dict()) == set(PlainUNet(3, 3, widths=(6, 12, 24)).state_dict())
    groups = task.optimization._groups(task)
    trained = {id(p) for group in groups for p in group["params"]}
    assert trained == {id(p) for p in task.net.parameters()}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_teacher_follows_once_for_each_optimiser_step(
    accumulate: int, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    students: list[list[Tensor]] = []

    class Students(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, task: Any, *_: Any) -> None:
            if trainer.global_step > len(students):
                students.append([p.detach().clone() for p in task.net.parameters()])

    task = make(USTM)
    assert isinstance(task, USTM)
    expected = [p.detach().clone() for p in task.teacher.parameters()]
    trainer = quiet_trainer(
        max_steps=3, accumulate_grad_batches=accumulate, callbacks=[Reproducible(0), Students()]
    )
    trainer.fit(task, data_for(USTM, drawn, val=None))
    assert len(students) == 3
    assert task.ramp_length == 3
    for step, student in enumerate(students):
        share = teacher_momentum(step, 0.99)
        expected = [
            share * old + (1 - share) * new for old, new in zip(expected, student, strict=True)
        ]
    for found, value in zip(task.teacher.parameters(), expected, strict=True):
        torch.testing.assert_close(found.detach(), value)


@pytest.mark.ddp
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_processes_have_one_teacher(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_train_end(self: USTM) -> None:
        weights = {name: p.clone() for name, p in self.teacher.named_parameters()}
        torch.save(weights, tmp_path / f"teacher{self.global_rank}.pt")

    monkeypatch.setattr(USTM, "on_train_end", on_train_end)
    config, run = write_config(tmp_path, drawn, method="USTM"), tmp_path / "run"
    code, said = forked(tmp_path, "fit", "--config", config, "--run", str(run))
    assert code == 0, said
    first, second = (torch.load(tmp_path / f"teacher{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(second[name], value) for name, value in first.items())
    state = read_checkpoint(run / "checkpoints/last.ckpt")["state_dict"]
    assert all(torch.equal(state[f"teacher.{name}"], value) for name, value in first.items())
    assert any(not torch.equal(state[name], first[name]) for name in first)  # net.* is the student

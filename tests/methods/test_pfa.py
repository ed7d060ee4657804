import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from tests.contracts.test_methods import data_for, quiet_trainer
from tests.e2e.test_distributed import forked
from tests.e2e.test_train import write_config
from torch import nn

from scribbleseg.cli.main import main
from scribbleseg.errors import ConfigError
from scribbleseg.losses import partial_cross_entropy
from scribbleseg.methods import PFA, Optimization, StageWeights
from scribbleseg.networks import PlainUNet
from scribbleseg.recipes.checkpoint import CheckpointWriter, read_checkpoint
from scribbleseg.recipes.reproducibility import Reproducible


def make(**options: Any) -> PFA:
    torch.manual_seed(0)
    given = {
        "network": partial(PlainUNet, widths=(4, 8, 12)),
        "class_names": ["background", "disc", "square"],
        "prototype_start": 0,
        "optimization": Optimization(lr=0.01, schedule="constant"),
        **options,
    }
    return PFA(**given)


def batch_of(count: int = 2, size: tuple[int, int] = (32, 40)) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    scribble = torch.randint(0, 3, (count, *size), generator=generator)
    return {
        "image": torch.randn(count, 3, *size, generator=generator),
        "scribble": scribble.where(torch.rand(scribble.shape, generator=generator) < 0.2, 255),
        "tags": torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])[:count],
    }


def test_stages_follow_the_memory() -> None:
    task, batch = make(slots=4), batch_of()
    terms = [set(task.training_loss(batch)[0]) for _ in range(4)]
    local = {"local_ce", "local_consistency"}
    assert terms[:3] == [local] * 3  # background has 2, 4, 4; the others 1, 2, 3 prototypes
    assert terms[3] == {"global_ce", "local_consistency", "global_consistency"}
    assert set(make(prototype_start=1).training_loss(batch)[0]) == {"plain_ce"}


def test_without_slots_there_are_local_prototypes_alone() -> None:
    task, batch = make(slots=0), batch_of()
    assert not any(name.startswith("memory") for name in task.state_dict())
    assert {name for _ in range(3) for name in task.training_loss(batch)[0]} == {
        "local_ce",
        "local_consistency",
    }
    with pytest.raises(ConfigError, match=r"prediction: global needs model\.slots above 0"):
        make(slots=0, prediction="global")


@pytest.mark.parametrize("size", [(32, 40), (33, 41)])
def test_a_weight_brings_its_term_and_0_leaves_it_out(size: tuple[int, int]) -> None:
    batch = batch_of(size=size)
    task = make(local_weights=StageWeights(plain_ce=1.0, local_ce=0.5))
    terms, logits = task.training_loss(batch)
    assert list(terms) == ["plain_ce", "local_ce"]
    assert logits.shape == (2, 3, *size)
    doubled, _ = make(local_weights=StageWeights(plain_ce=2.0, local_ce=1.0)).training_loss(batch)
    for name, term in terms.items():
        assert doubled[name].item() == pytest.approx(2 * term.item())
    # What the strokes teach last is what the far-field prior speaks of.
    assert partial_cross_entropy(logits, batch["scribble"]).item() == pytest.approx(
        2 * terms["local_ce"].item()
    )


@pytest.mark.parametrize("kind", ["cross_entropy", "mse", "eigen"])
def test_every_measure_of_agreement_trains(kind: str) -> None:
    task = make(consistency=kind)
    terms, _ = task.training_loss(batch_of())
    torch.stack(list(terms.values())).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in task.parameters() if p.grad is not None)


def test_augmented_passes_leave_the_statistics_of_the_plain_one() -> None:
    task, batch = make(), batch_of()
    expected = PlainUNet(3, 3, widths=(4, 8, 12))
    expected.load_state_dict(task.net.state_dict())
    task.training_loss(batch)
    expected(batch["image"])
    found = dict(task.net.named_buffers())
    for name, value in expected.named_buffers():
        torch.testing.assert_close(found[name], value)


def test_during_the_warm_up_the_augmentation_has_no_gradient_but_takes_part() -> None:
    task = make(prototype_start=1)
    terms, _ = task.training_loss(batch_of())
    terms["plain_ce"].backward()
    assert all((p.grad == 0).all() for p in task.augmentation.parameters())
    task.on_before_optimizer_step(torch.optim.SGD(task.parameters(), 1.0))
    assert all(p.grad is None for p in task.augmentation.parameters())


@pytest.mark.parametrize(("start", "slots", "ema_decay"), [(2, 8, None), (1, 6, 0.9)])
def test_a_run_resumed_across_a_stage_switch_is_bit_for_bit_the_whole_one(
    start: int, slots: int, ema_decay: float | None, drawn: Path, tmp_path: Path
) -> None:
    """Stages of the steps: plain, plain, local, global; plain, local, global, global."""
    seen: dict[str, list[str]] = {}

    class Stages(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, task: Any, *_: Any) -> None:
            seen[folder].append(next(iter(task.terms)).split("_")[0])

    def fit(steps: int, resumed: Path | None = None) -> dict[str, Any]:
        seen[folder] = []
        trainer = quiet_trainer(
            max_steps=steps,
            callbacks=[Reproducible(0), CheckpointWriter(tmp_path / folder), Stages()],
        )
        task = make(prototype_start=start, slots=slots, ema_decay=ema_decay)
        trainer.fit(task, data_for(PFA, drawn, val=None), ckpt_path=resumed, weights_only=True)
        state: dict[str, Any] = read_checkpoint(tmp_path / folder / "last.ckpt")
        return {**state["state_dict"], **state.get("current_model_state", {})}

    folder = "whole"
    whole = fit(4)
    folder = "half"
    fit(2)
    folder = "rest"
    rest = fit(4, tmp_path / "half/last.ckpt")
    assert seen["half"] + seen["rest"] == seen["whole"]
    assert seen["half"][-1] != seen["rest"][0]  # the switch lies between them
    assert [n for n, value in whole.items() if not torch.equal(rest[n], value)] == []
    assert whole["memory.count"].tolist() == [slots] * 3


def pfa_config(folder: Path, root: Path, **options: Any) -> str:
    return write_config(folder, root, method="PFA", method_options=options)


@pytest.mark.ddp
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_processes_have_one_memory(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through all three stages: the warm-up leaves weights without a gradient of their own."""
    stored: list[Any] = []
    original = PFA.training_loss

    def training_loss(self: PFA, batch: Any) -> Any:
        terms, logits = original(self, batch)
        assert self.memory is not None
        names, count = list(batch["name"]), self.memory.count.tolist()
        stored.append((sorted(terms), names, self.memory.slots.clone(), count))
        torch.save(stored, tmp_path / f"memory{self.global_rank}.pt")
        return terms, logits

    monkeypatch.setattr(PFA, "training_loss", training_loss)
    config = pfa_config(tmp_path, drawn, prototype_start=2, slots=6)
    code, said = forked(tmp_path, "fit", "--config", config, "--run", str(tmp_path / "run"))
    assert code == 0, said
    first, second = (torch.load(tmp_path / f"memory{rank}.pt") for rank in (0, 1))
    assert len(first) == len(second) == 6
    for (_, names, slots, count), (_, others, other_slots, other_count) in zip(
        first, second, strict=True
    ):
        assert set(names).isdisjoint(others)
        assert torch.equal(slots, other_slots)
        assert count == other_count
    assert [count for *_, count in first] == [[n] * 3 for n in (0, 0, 4, 6, 6, 6)]
    assert [terms[0] for terms, *_ in first] == ["plain_ce"] * 2 + ["local_ce"] + ["global_ce"] * 3
    assert not torch.equal(first[3][2], first[4][2])  # and then they move


def test_a_run_to_the_report_and_its_other_predictions(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    config = pfa_config(tmp_path, drawn, prototype_start=1, slots=4)
    assert main(["fit", "--config", config, "--run", str(run)]) == 0
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    confusions = []
    for options, pixels in (
        ([], 48 * 64),
        (["--model.prediction", "local"], 48 * 64),
        (["--model.prediction", "global", "--data.evaluation_tags", "mask"], 48 * 64),
        (["--model.inference.center", "[32, 16]"], 32 * 16),
    ):
        assert main(["validate", "--run", str(run), *options]) == 0
        confusions.append(json.loads((run / "metrics.json").read_text())["val"]["confusion"])
        assert sum(map(sum, confusions[-1])) == 3 * pixels
    assert len({str(one) for one in confusions}) == 4
    capsys.readouterr()
    assert main(["test", "--run", str(run), "--model.protocol", "pfa_crop"]) == 2
    assert "only validate can score that" in capsys.readouterr().err


def test_classes_of_the_plain_prediction_choose_the_prototypes() -> None:
    task, image = make(prediction="local", class_pixels=5).eval(), torch.randn(1, 3, 16, 16)
    nn.init.zeros_(task.net.classifier.weight)
    task.net.classifier.bias.data.copy_(torch.tensor([0.0, 1.0, 0.0]))
    with torch.inference_mode():
        found = task.augmented_logits(image)
        wanted = task.augmented_logits(image, torch.tensor([[1, 1, 0]]))
        other = task.augmented_logits(image, torch.tensor([[1, 0, 0]]))
        assert torch.equal(found, wanted)
        task.class_pixels = 257  # more than there are
        assert torch.equal(task.augmented_logits(image), other)


def test_an_empty_memory_is_said_so() -> None:
    task = make(prediction="global").eval()
    with pytest.raises(ConfigError, match="memory has no prototypes"):
        task.augmented_logits(torch.zeros(1, 3, 16, 16))


def test_what_is_shown_is_part_of_what_makes_labels() -> None:
    settings = make(prediction="local").label_settings()
    assert (settings["prediction"], settings["class_pixels"]) == ("local", 100)


def test_a_run_without_prototypes_says_so(drawn: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fit(**options: Any) -> str:
        caplog.clear()
        trainer = quiet_trainer(max_steps=2)
        with caplog.at_level(logging.WARNING, "scribbleseg.methods.pfa"):
            trainer.fit(make(**options), data_for(PFA, drawn, val=None))
        return " ".join(r.getMessage() for r in caplog.records if "pfa" in r.name)

    assert "prototype_start is 7, but the run has 2 steps" in fit(prototype_start=7)
    assert "fewer than 10 of background (8), disc (8), square (8)" in fit()
    assert fit(slots=8) == ""


def test_a_network_that_cannot_be_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="Conv2d has no split"):
        make(network=lambda classes, channels: nn.Conv2d(channels, classes, 1))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"prototype_start": -1}, "prototype_start: -1; expected 0 or more"),
        ({"warm_up_weight": 0.0}, "warm_up_weight: 0.0; expected more than 0"),
        ({"slots": -1}, "slots: -1"),
        ({"class_pixels": 0}, "class_pixels: 0; expected 1 or more"),
        ({"momentum": 1.5}, r"momentum: 1.5; expected 0 to 1"),
        ({"local_weights": StageWeights()}, "local_weights: .*local_ce or"),
        ({"global_weights": StageWeights(global_ce=-1.0)}, "global_weights: .*expected 0 or more"),
        ({"local_weights": StageWeights(global_ce=1.0)}, "there are no global prototypes yet"),
    ],
)
def test_impossible_options(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        make(**options)

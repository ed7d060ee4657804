"""PFA against the vectors of its published code, the whole training loop among them."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
import yaml
from tests.contracts.test_methods import quiet_trainer
from tests.golden_cases import Case, golden
from tests.tiny_mit import published_state, tiny_segformer
from torch import Tensor
from torch.utils.data import DataLoader

from scribbleseg.evaluation import Scores, confusion_matrix
from scribbleseg.exchange.checkpoint_layouts.pfa import LAYOUT
from scribbleseg.exchange.convert import translate
from scribbleseg.losses import partial_cross_entropy
from scribbleseg.methods import PFA, Optimization, StageWeights
from scribbleseg.methods.pfa import enlarged
from scribbleseg.networks import Segformer

EXACT = {"rtol": 1e-7, "atol": 1e-9}
BLOCK = {
    "prototype_fc": "of_prototype",
    "feature_fc": "of_feature",
    "fc3": "fusion",
    "fc4": "expansion",
}
GROUPS = ("net.encoder.patch_embed1.proj.weight", "net.encoder.norm1.weight",
          "net.decoder.fuse_stage.1.weight", "augmentation.fusion.weight")  # fmt: skip
"""A parameter of each published group of the optimiser."""


def published_optimization(**options: Any) -> Optimization:
    """The groups and the schedule of configs/voc/pfa.yaml."""
    config = yaml.safe_load((Path(__file__).parents[2] / "configs/voc/pfa.yaml").read_text())
    settings = config["model"]["init_args"]["optimization"]
    return Optimization(**{**settings, **options})


def rates(optimizer: torch.optim.Optimizer, task: PFA) -> list[float]:
    """The learning rate of each published group."""
    of_parameter = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    return [of_parameter[id(task.get_parameter(name))] for name in GROUPS]


class Recorded(L.LightningDataModule):
    """The batches of a golden trace."""

    train_supervision = frozenset({"scribble"})

    def __init__(self, case: Case) -> None:
        super().__init__()
        background = torch.ones(*case["class_labels"].shape[:2], 1)
        tags = torch.cat([background, torch.tensor(case["class_labels"])], dim=-1)
        arrays = zip(case["images"], case["labels"], tags, strict=True)
        self.batches = [
            {"image": torch.tensor(image), "scribble": torch.tensor(label), "tags": tag}
            for image, label, tag in arrays
        ]
        self.steps = len(self.batches) // case["epochs"]
        """Of an epoch."""

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        first = self.trainer.current_epoch * self.steps
        return DataLoader(self.batches[first : first + self.steps], batch_size=None)


class Record(L.Callback):
    """What a step leaves behind."""

    def __init__(self) -> None:
        self.terms: list[dict[str, float]] = []
        self.rates: list[list[float]] = []
        self.memory: list[tuple[Tensor, list[int]]] = []

    def on_train_batch_start(self, trainer: L.Trainer, task: Any, *_: Any) -> None:
        self.rates.append(rates(trainer.optimizers[0], task))

    def on_train_batch_end(self, trainer: L.Trainer, task: Any, *_: Any) -> None:
        self.terms.append({name: term.item() for name, term in task.terms.items()})
        self.memory.append((task.memory.slots.clone(), task.memory.count.tolist()))


TERMS = ("plain_ce", "local_ce", "global_ce", "local_consistency", "global_consistency")


def published(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The method's state with the published names translated."""
    weights, dropped = translate(state, LAYOUT, path)
    block = {}
    for name in dropped:
        _, layer, part = name.split(".")
        block[f"augmentation.{BLOCK[layer]}.{part}"] = state[name]
    return {**{f"net.{name}": value for name, value in weights.items()}, **block}


@golden("pfa", "train_trace")
@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
def test_the_training_of_the_published_code(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert case.path is not None
    steps, epochs = len(case["images"]), case["epochs"]
    classes, _, channels = case["memory_after"].shape[1:]
    plain, local, local_con, glob, global_local, global_con = case["loss_weights"].tolist()
    task = PFA(
        network=tiny_segformer(monkeypatch, decoder_channels=channels),
        class_names=[str(index) for index in range(classes)],
        prototype_start=case["use_epoch"] * steps // epochs,
        warm_up_weight=plain,
        slots=case["slots"],
        local_weights=StageWeights(local_ce=local, local_consistency=local_con),
        global_weights=StageWeights(
            global_ce=glob, local_consistency=global_local, global_consistency=global_con
        ),
        optimization=published_optimization(
            lr=case["base_lr"],
            weight_decay=case["weight_decay"],
            hold_steps=steps // epochs,
            end_factor=1 / (epochs + 1),
        ),
    ).double()
    missing, unknown = task.load_state_dict(
        published(published_state(case, "init."), case.path), strict=False
    )
    assert missing == ["memory.slots", "memory.count"]
    assert unknown == []
    record = Record()
    trainer = quiet_trainer(
        max_epochs=epochs, reload_dataloaders_every_n_epochs=1, callbacks=[record]
    )
    trainer.fit(task, Recorded(case))

    weights = {"plain_ce": plain, "local_ce": local, "global_ce": glob}
    for step, terms in enumerate(record.terms):
        assert sum(terms.values()) == pytest.approx(case["total_loss"][step], rel=1e-7)
        in_global = "global_ce" in terms
        consistency = [global_local if in_global else local_con, global_con]
        of_terms = {**weights, **dict(zip(TERMS[3:], consistency, strict=True))}
        for index, name in enumerate(TERMS):
            if name in terms:
                expected = of_terms[name] * case["components"][step, index]
                assert terms[name] == pytest.approx(expected, rel=1e-7)
        slots, count = record.memory[step]
        torch.testing.assert_close(slots, torch.tensor(case["memory_after"][step]), **EXACT)
        assert count == case["count_after"][step].tolist()
    stages = ["global" if "global_ce" in t else "local" if "local_ce" in t else "plain"
              for t in record.terms]  # fmt: skip
    assert stages == sorted(stages, key=["plain", "local", "global"].index)
    assert stages.count("plain") == min(task.prototype_start, steps)
    expected = np.repeat(case["lr_per_epoch"], steps // epochs, axis=0)
    np.testing.assert_allclose(record.rates, expected, rtol=1e-7)
    state = task.state_dict()
    for name, value in published(published_state(case, "final."), case.path).items():
        torch.testing.assert_close(state[name], value, **EXACT)
    task.trainer = None  # training is over
    validate(task.eval(), case)


def validate(task: PFA, case: Case) -> None:
    """The three predictions with the tags of the truth, and their scores."""
    image, label = torch.tensor(case["val_image"]), case["val_label"]
    tags = torch.cat([torch.ones(len(image), 1), torch.tensor(case["val_class_labels"])], dim=1)
    for index, which in enumerate(("plain", "local", "global")):
        suffix = "" if which == "plain" else f"_{which}"
        task.prediction = which
        batch = {"image": image, "size": [image.shape[-2:]] * len(image), "normalise": lambda x: x}
        with torch.inference_mode():
            if which == "plain":
                logits = task.net(image)
            else:
                logits = task.augmented_logits(image, tags)
                batch["tags"] = tags
            decisions = task.decide(batch)
        wanted = enlarged(torch.tensor(case[f"val_pred{suffix}"]), image, task.net.stride)
        torch.testing.assert_close(logits, wanted, **EXACT)
        counts = sum(
            confusion_matrix(decision.label.numpy(), mask, num_classes=logits.shape[1])
            for decision, mask in zip(decisions, label, strict=True)
        )
        scores = Scores.from_counts(counts)
        np.testing.assert_allclose(np.nan_to_num(scores.iou), case[f"val_iou{suffix}"], rtol=1e-9)
        assert scores.miou_all == pytest.approx(case["val_miou"][index])
        assert scores.pixel_accuracy == pytest.approx(case["val_acc"][index])


@golden("pfa", "lr_schedule")
def test_the_rates_of_the_published_code(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs, hold = case["epochs"], 3
    network = tiny_segformer(monkeypatch, decoder_channels=8)
    task = PFA(network=network, class_names=["a", "b"], prototype_start=0)
    optimization = published_optimization(
        lr=case["base_lr"], hold_steps=hold, end_factor=1 / (epochs + 1)
    )
    optimizer, schedule = optimization.build(task, epochs * hold)
    found = []
    for _ in range(epochs * hold):
        found.append(rates(optimizer, task))
        optimizer.step()
        schedule.step()
    expected = np.repeat(case["lr_per_group"], hold, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-15)


def test_the_published_config_has_the_published_rates_and_groups() -> None:
    optimization = published_optimization()
    assert optimization.hold_steps == 10582 // 12
    assert optimization.end_factor == pytest.approx(1 / 201, rel=1e-12)
    task = PFA(
        network=partial(Segformer, last_stride=1),
        class_names=[str(index) for index in range(21)],
        prototype_start=1,
    )
    optimizer, _ = optimization.build(task, 1000)
    sizes = {round(group["lr"], 9): len(group["params"]) for group in optimizer.param_groups}
    assert sizes == {6e-5: 116, 0.0: 60, 6e-4: 13 + 8}


@golden("pfa", "upsampled_partial_ce")
def test_strokes_on_enlarged_logits(case: Case) -> None:
    logits, label = torch.tensor(case["logits"], requires_grad=True), torch.tensor(case["label"])
    image = torch.zeros(len(label), 3, *label.shape[1:])
    large = enlarged(logits, image, 1)
    torch.testing.assert_close(large, torch.tensor(case["upsampled"]), **EXACT)
    loss = partial_cross_entropy(large, label)
    loss.backward()
    assert loss.item() == pytest.approx(case["loss"], rel=1e-7)
    torch.testing.assert_close(logits.grad, torch.tensor(case["grad_logits"]), **EXACT)

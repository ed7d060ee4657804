import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.contracts.test_methods import make as make_task
from tests.e2e.test_distributed import forked
from tests.e2e.test_train import write_config
from tests.golden_cases import Case, golden
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from scribbleseg.cli.main import main
from scribbleseg.errors import ConfigError
from scribbleseg.losses import image_level_loss
from scribbleseg.methods import LPL, Optimization, Retraining
from scribbleseg.methods.lpl import taught_label
from scribbleseg.methods.optimization import Schedule
from scribbleseg.networks import PlainUNet, Segformer
from scribbleseg.networks.dynamic_evaluation import sample_weight

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


class Stored(nn.Module):
    """Stands for a network: its logits, whatever the picture."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, image: Tensor) -> Tensor:
        return self.logits


def make(**options: Any) -> LPL:
    task = make_task(LPL, network=partial(PlainUNet, widths=(4, 8)), **options)
    assert isinstance(task, LPL)
    return task


def stored(hybrid: Tensor, pseudo: Tensor, **options: Any) -> LPL:
    """The method with two networks of which the logits are known."""
    logits = iter([hybrid, pseudo])
    names = [str(index) for index in range(hybrid.shape[1])]
    return LPL(lambda *_: Stored(next(logits)), class_names=names, **options).double()


def batch_of(
    label: Tensor, tags: Tensor, strong: int, kinds: list[str], **more: Any
) -> dict[str, Any]:
    """Images of which only the given labels count, those of masks in ``mask``."""
    is_mask = torch.tensor([kind == "mask" for kind in kinds])[:, None, None]
    return {
        "image": torch.zeros(len(label), 3, *label.shape[1:]),
        "scribble": torch.where(is_mask, 255, label),
        "mask": torch.where(is_mask, label, 255),
        "supervision": kinds,
        "tags": tags,
        "valid": torch.ones(label.shape, dtype=torch.bool),
        "weak": torch.arange(len(label)) >= strong,
        **more,
    }


def batch_of_case(case: Case) -> dict[str, Any]:
    """The strong half has masks, crops of void included; some of the weak half may, too."""
    given = torch.tensor(case["mask"]) > 0
    return batch_of(
        torch.where(given, torch.tensor(case["label"]), 255),
        torch.tensor(case["tags"])[..., 0, 0],
        case["n_strong"],
        [
            "mask" if strong or index < case["n_strong"] else "tags"
            for index, strong in enumerate(case["is_strong"])
        ],
    )


@golden("lpl", "step")
def test_golden_step(case: Case) -> None:
    """One whole iteration: labels, counts, weights, four terms and their gradients."""
    task = stored(
        torch.tensor(case["pred_hybrid"]),
        torch.tensor(case["pred_pseudo"]),
        score_power=case["power"],
        momentum=case["momentum"],
    )
    task.evaluation.counts.copy_(torch.tensor(case["state_init"]))
    batch = batch_of_case(case)
    terms, logits = task.training_loss(batch)
    assert torch.equal(logits, task.net.logits)
    torch.testing.assert_close(task.evaluation.counts, torch.tensor(case["state_out"]), **CLOSE)
    torch.testing.assert_close(task.evaluation.iou, torch.tensor(case["iou"]), **CLOSE)
    weight = sample_weight(
        task.evaluation.iou, batch["tags"][case["n_strong"] :], power=case["power"]
    )
    torch.testing.assert_close(weight, torch.tensor(case["sample_weight"]), **CLOSE)
    assert task.trust.item() == pytest.approx(case["sample_weight"].mean(), rel=1e-9)

    published = {"strong_ce": "seg_hybrid", "pseudo_net": "seg_pseudo", "cross": "pct",
                 "image_level": "cls_hybrid"}  # fmt: skip
    assert set(terms) == set(published)
    for name, theirs in published.items():
        expected = case[f"loss_{theirs}"]
        if name == "strong_ce" and math.isnan(expected):  # no mask, 0 / 0 there: ours is 0
            expected = 0.0
        assert terms[name].item() == pytest.approx(expected, rel=1e-9, abs=1e-9)
        task.zero_grad()
        terms[name].backward()
        learner, other = task.net.logits.grad, task.pseudo_net.logits.grad
        if name == "pseudo_net":
            learner, other = other, learner
        assert other is None
        torch.testing.assert_close(learner, torch.tensor(case[f"grad_loss_{theirs}"]), **CLOSE)
    total = torch.stack(list(terms.values())).sum().item()
    if not math.isnan(case["loss_total"]):
        assert total == pytest.approx(case["loss_total"], rel=1e-9)


@golden("lpl", "step")
def test_golden_labels(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the networks are taught in the weak half."""
    batch, begin = batch_of_case(case), case["n_strong"]
    taught: list[Tensor] = []

    def recorded(*arguments: Any, **options: Any) -> Tensor:
        taught.append(taught_label(*arguments, **options))
        return taught[-1]

    monkeypatch.setattr("scribbleseg.methods.lpl.taught_label", recorded)
    stored(torch.tensor(case["pred_hybrid"]), torch.tensor(case["pred_pseudo"])).training_loss(
        batch
    )
    for label, name in zip(taught, ("pseudo_label_hybrid", "pseudo_label_pseudo"), strict=True):
        assert torch.equal(label, torch.tensor(case[name])[begin:])


@golden("lpl", "lr_stage1")
def test_golden_learning_rates(case: Case) -> None:
    """The published poly divides by 1e-5 steps more than there are."""
    rates = dict(zip(("backbone", "other", "classifier"), case["rates"], strict=True))

    def network(*_: Any) -> nn.Module:
        return nn.ModuleDict({name: nn.Conv2d(1, 1, 1) for name in rates})

    class Published(Optimization):
        def build(
            self, module: nn.Module, total_steps: float, *others: tuple[nn.Module, Schedule]
        ) -> tuple[Optimizer, LambdaLR]:
            return super().build(module, total_steps + 1e-5, *others)

    options = Published(
        optimizer="sgd",
        lr=case["base_lr"],
        power=case["power"],
        lr_multipliers={f"net.{name}": rate for name, rate in rates.items()},
    )
    task = LPL(network, class_names=["a", "b"], optimization=options)

    class Steps:
        estimated_stepping_batches = case["max_iter"]

    task._trainer = Steps()  # type: ignore[assignment]
    found = task.configure_optimizers()
    schedule, groups = found["lr_scheduler"]["scheduler"], found["optimizer"].param_groups
    place = {
        id(parameter): index for index, group in enumerate(groups) for parameter in group["params"]
    }
    assert len(place) == len(list(task.parameters()))
    for step, expected in zip(case["iteration"], case["group_lr"], strict=True):
        factors = [float(factor(int(step))) for factor in schedule.lr_lambdas]
        for net, theirs in (("net", expected), ("pseudo_net", case["group_lr_unscheduled"])):
            for name, rate in zip(rates, theirs, strict=True):
                for parameter in task.get_submodule(f"{net}.{name}").parameters():
                    group = place[id(parameter)]
                    ours = schedule.base_lrs[group] * factors[group]
                    assert ours == pytest.approx(rate, rel=1e-9, abs=1e-9)


def test_strokes_are_stamped_and_masks_replace() -> None:
    prediction = torch.tensor([[[3, 3, 3]]]).expand(3, -1, -1)
    label = torch.tensor([[[1, 255, 2]], [[1, 255, 2]], [[255, 255, 255]]])
    taught = taught_label(prediction, label, torch.tensor([True, False, True]))
    assert taught[:, 0].tolist() == [[1, 255, 2], [1, 3, 2], [3, 3, 3]]


def test_each_kind_of_label_is_scored_by_its_own_rule() -> None:
    """Four pixels of class 1 are predicted; a mask counts all of them, a scribble the drawn one."""
    pseudo = torch.zeros(2, 2, 1, 4).double()
    pseudo[:, 1] = 1
    label = torch.tensor([[[1, 255, 255, 255]], [[255, 255, 255, 255]]])
    counts = {}
    for kind in ("mask", "scribble"):
        task = stored(torch.zeros_like(pseudo), pseudo)
        task.training_loss(batch_of(label, torch.ones(2, 2), 1, [kind, "tags"]))
        counts[kind] = task.evaluation.counts[1].tolist()
    assert counts == {"mask": [0, 4], "scribble": [0, 1]}


@pytest.mark.parametrize("on_padding", [True, False])
def test_padding_is_labelled_as_published_or_not(on_padding: bool) -> None:
    label = torch.tensor([[[0, 1]], [[255, 255]]])
    valid = torch.tensor([[[True, False]], [[True, False]]])
    hybrid = torch.randn(2, 2, 1, 2).double()
    task = stored(hybrid, torch.randn(2, 2, 1, 2).double(), label_on_padding=on_padding)
    batch = batch_of(torch.where(valid, label, 255), torch.ones(2, 2), 1, ["mask", "tags"],
                     valid=valid)  # fmt: skip
    terms, _ = task.training_loss(batch)
    terms["pseudo_net"].backward()
    gradient = task.pseudo_net.logits.grad
    assert gradient is not None
    assert bool((gradient[1, :, 0, 1] != 0).any()) is on_padding
    assert task.evaluation.counts[1].sum().item() == (2 if on_padding else 1)


def test_weights_of_0_leave_terms_out() -> None:
    batch = batch_of(torch.randint(3, (4, 8, 8)), torch.ones(4, 3), 2, ["mask"] * 4)
    assert set(make(image_level_weight=0, cross_weight=0).training_loss(batch)[0]) == {
        "strong_ce",
        "pseudo_net",
    }
    one, _ = make().training_loss(batch)
    two, _ = make(image_level_weight=2.0, cross_weight=3.0).training_loss(batch)
    assert two["image_level"].item() == pytest.approx(2 * one["image_level"].item())
    assert two["cross"].item() == pytest.approx(3 * one["cross"].item())


def test_a_blank_scribble_does_not_say_that_there_are_no_objects() -> None:
    """Its tags are background alone; a stroke of the background, or a tag, would say so."""
    torch.manual_seed(0)
    hybrid, pseudo = torch.randn(2, 3, 2, 4, 4), torch.randn(2, 3, 2, 4, 4)
    label = torch.full((3, 4, 4), 255)
    label[0, 0] = 1
    tags = torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    terms = {}
    for kind in ("scribble", "tags"):
        batch = batch_of(label, tags, 1, ["scribble", kind, "scribble"])
        task = stored(hybrid[0], pseudo[0])
        terms[kind] = task.training_loss(batch)[0]["image_level"]
    kept = {"scribble": [0], "tags": [0, 1]}
    for kind, images in kept.items():
        torch.testing.assert_close(
            terms[kind].float(), image_level_loss(hybrid[0][images], tags[images])
        )


def test_a_blocked_image_teaches_nothing() -> None:
    batch = batch_of(torch.zeros(2, 8, 8).long(), torch.ones(2, 3), 1, ["mask", "tags"])
    terms, _ = make(zero_iou="block").training_loss(batch)
    assert terms["cross"].item() == 0


def test_every_weight_has_a_gradient_in_every_step() -> None:
    """Several processes wait for each of them."""
    task = make()
    batch = batch_of(torch.full((2, 8, 8), 255), torch.ones(2, 3), 1, ["scribble", "scribble"])
    terms, _ = task.training_loss(batch)
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is not None for p in task.parameters())


def test_networks_start_from_the_same_encoder_and_other_heads(tmp_path: Path) -> None:
    first = Segformer(3, 3, encoder="mit_b0", weights="none")
    torch.save(first.encoder.state_dict(), tmp_path / "encoder.pth")
    network = partial(Segformer, encoder="mit_b0", weights=str(tmp_path / "encoder.pth"))
    task = make_task(LPL, network=network)
    other = dict(task.pseudo_net.named_parameters())
    for name, weight in task.net.named_parameters():
        if weight.ndim > 1:
            assert torch.equal(weight, other[name]) is name.startswith("encoder."), name
    scratch = make()
    other = dict(scratch.pseudo_net.named_parameters())
    for name, weight in scratch.net.named_parameters():
        assert weight.ndim == 1 or not torch.equal(weight, other[name])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"score_power": -1.0}, r"model\.score_power: -1\.0; expected 0 or more"),
        ({"cross_weight": -1.0}, r"model\.cross_weight"),
        ({"momentum": 1.5}, r"model\.momentum: 1\.5; expected 0 to 1"),
    ],
)
def test_impossible_options(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        make(**options)


def test_what_is_missing_is_said() -> None:
    task = make()
    with pytest.raises(ConfigError, match=r"weak half.*data\.weak_batch_size"):
        task.check_supervision(frozenset({"mask", "tags"}))
    with pytest.raises(ConfigError, match=r"tags only.*data\.labelled"):
        task.check_supervision(frozenset({"tags", "halves"}))
    task.check_supervision(frozenset({"mask", "scribble", "tags", "halves"}))
    with pytest.raises(ConfigError, match=r"data\.weak_batch_size: Retraining knows no halves"):
        make_task(Retraining).check_supervision(frozenset({"mask", "pseudo_label", "halves"}))


def lpl_config(folder: Path, root: Path, **options: Any) -> str:
    """Six steps of halves: three of eight images bring masks, the others tags."""
    data: dict[str, Any] = {
        "supervision": "mask",
        "labelled_first": 3,
        "tags": "mask",
        "weak_batch_size": 2,
    }
    return write_config(folder, root, method="LPL", method_options=options, **data)


@pytest.mark.ddp
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_processes_have_one_meter(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[Any] = []
    original = LPL.training_loss

    def training_loss(self: LPL, batch: Any) -> Any:
        before = self.evaluation.counts.clone()
        terms, logits = original(self, batch)
        stored.append((list(batch["name"]), before, self.evaluation.counts.clone()))
        torch.save(stored, tmp_path / f"meter{self.global_rank}.pt")
        return terms, logits

    monkeypatch.setattr(LPL, "training_loss", training_loss)
    config = lpl_config(tmp_path, drawn)
    fewer = ("--data.batch_size", "1", "--data.weak_batch_size", "1", "--trainer.max_steps", "3")
    code, said = forked(tmp_path, "fit", "--config", config, *fewer, "--run", str(tmp_path / "run"))
    assert code == 0, said
    first, second = (torch.load(tmp_path / f"meter{rank}.pt") for rank in (0, 1))
    assert len(first) == len(second) == 3
    for (names, before, counts), (others, _, other_counts) in zip(first, second, strict=True):
        assert names != others
        assert torch.equal(counts, other_counts)
        # Each of the two strong images has 48 x 64 pixels, a few of them at corners of rotation.
        found = (counts - 0.99 * before)[0].sum().item()
        assert 1.5 * 48 * 64 < found <= 2 * 48 * 64


def test_a_run_to_the_report_with_both_networks(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    config = lpl_config(tmp_path, drawn)
    assert main(["fit", "--config", config, "--run", str(run)]) == 0
    columns = (run / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"dynamic_evaluation/miou", "dynamic_evaluation/trust", "loss/cross"} <= set(columns)
    assert main(["export", "--run", str(run), str(tmp_path / "model")]) == 0
    labels = {}
    for network in ("hybrid", "pseudo"):
        out = tmp_path / network
        options = ["--model.prediction", network, "--out", str(out)]
        assert main(["pseudolabel", "--run", str(run), *options]) == 0
        labels[network] = [path.read_bytes() for path in sorted(out.glob("*.png"))]
        assert len(labels[network]) == 2 * 8  # with confidences
    assert labels["hybrid"] != labels["pseudo"]
    assert main(["validate", "--run", str(run), "--data.evaluation_tags", "mask"]) == 0
    assert "classes of each image were known, from its mask, an oracle" in capsys.readouterr().out
    assert "an oracle (data.evaluation_tags)" in (run / "metrics.txt").read_text()
    assert main(["fit", "--config", config, "--run", str(tmp_path / "no"),
                 "--data.weak_batch_size", "null"]) == 2  # fmt: skip
    assert "data.weak_batch_size" in capsys.readouterr().err

"""What every method must do, on the network and options of each of its configs."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
import yaml
from torchvision.transforms import v2

import scribbleseg.methods as methods
from scribbleseg.cli.train import TrainingCLI
from scribbleseg.data import ScribbleDataModule
from scribbleseg.data.views import Views
from scribbleseg.methods import Optimization, SegmentationTask
from scribbleseg.networks import Aggregated, PlainUNet, ToCoViT
from scribbleseg.recipes.checkpoint import CheckpointWriter, load_weights, read_checkpoint
from scribbleseg.recipes.reproducibility import Reproducible

CONFIGS = sorted(
    path
    for path in (Path(__file__).parents[2] / "configs").rglob("*.yaml")
    if path.parent.name not in {"benchmarks", "recipes", "label_sources"}
)
METHODS = [
    getattr(methods, name)
    for name in methods.__all__
    if isinstance(getattr(methods, name), type)
    and issubclass(getattr(methods, name), SegmentationTask)
    and getattr(methods, name) is not SegmentationTask
]
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__name__)


# Options that a method has no default for, or whose default is too large here.
OPTIONS: dict[Any, dict[str, Any]] = {
    methods.BLPSeg: {
        "network": partial(
            Aggregated, base=partial(PlainUNet, widths=(6, 12, 24)), embedding_channels=8
        ),
        "pseudo_start": 3,
    },
    methods.PFA: {"prototype_start": 0},  # local prototypes in the first steps, then global ones
    methods.ToCo: {
        "network": partial(
            ToCoViT,
            encoder="vit_tiny_patch16_224",
            img_size=48,
            patch_size=8,
            embed_dim=24,
            depth=3,
            num_heads=2,
            decoder_channels=8,
        ),
        "local_crops": 2,
        "local_size": 16,
        "projection": (16, 8, 12),
        "scribble_weight": 1.0,
        "class_contrast_weight": 0.1,
    },
}


def make(method: Any, **options: Any) -> SegmentationTask:
    torch.manual_seed(0)
    defaults: dict[str, Any] = {
        "network": partial(PlainUNet, widths=(6, 12, 24)),
        "class_names": ["background", "disc", "square"],
        "optimization": Optimization(lr=0.01, schedule="constant"),
    }
    task = method(**{**defaults, **OPTIONS.get(method, {}), **options})
    assert isinstance(task, SegmentationTask)
    return task


def data_for(method: Any, root: Path, **options: Any) -> ScribbleDataModule:
    options = {"supervision": "mask" if "mask" in method.needs else "scribble", **options}
    if "pseudo_label" in method.uses:
        options["pseudo_labels"] = "masks"
    if "scribble_distance" in method.uses:
        options |= {"scribble_distance": "e", "pseudo_distance": "e6"}
    if "halves" in method.needs:
        options = {"batch_size": 2, "weak_batch_size": 2, **options}
    if "views" in method.uses:
        options["transforms"] = [Views(other=[v2.RandomResizedCrop((48, 64))])]
    return ScribbleDataModule(str(root), **{"batch_size": 4, **options})


def first_batch(method: Any, root: Path, **options: Any) -> dict[str, Any]:
    data = data_for(method, root, **options)
    return data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)


def quiet_trainer(**options: Any) -> L.Trainer:
    """A trainer on the processor that neither writes nor prints."""
    return L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **options,
    )


def test_every_method_is_in_a_config() -> None:
    used = {
        yaml.safe_load(path.read_text())["model"]["class_path"].rsplit(".", 1)[-1]
        for path in CONFIGS
    }
    assert used == {method.__name__ for method in METHODS}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_config_builds(
    config: Path, tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own network and options; the data are replaced, and weights that need a download."""
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_"):
        # Nothing is computed with them; random numbers would be most of the time.
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)
    grey = "acdc" in str(config)
    network = yaml.safe_load(config.read_text())["model"]["init_args"]["network"]["init_args"]
    root = tmp_path / "d"
    root.mkdir()
    (root / "dataset.yaml").write_text(
        f"classes: [a, b, c]\nbackground_drawn: true\nimage_mode: {'L' if grey else 'RGB'}\n"
    )
    arguments = [
        "--config",
        str(config),
        "--data.layout",
        "folder",
        "--data.root",
        str(root),
        "--run",
        str(tmp_path / "r"),
        *(["--model.network.init_args.weights", "none"] if "weights" in network else []),
    ]
    cli = TrainingCLI("fit", [*arguments, "--trainer.logger", "false"])
    assert isinstance(cli.model, SegmentationTask)
    assert cli.model.class_names == ["a", "b", "c"]
    assert cli.model.training_loss is not None
    assert not (tmp_path / "r").exists()


@every_method
def test_ten_steps_on_one_batch_lower_the_loss(method: Any, drawn: Path) -> None:
    task, batch = make(method), first_batch(method, drawn)
    optimizer = torch.optim.AdamW(task.parameters(), 0.01)
    losses = []
    for _ in range(10):
        terms, logits = task.training_loss(batch)
        assert logits.shape == (4, 3, 48, 64)
        assert all(term.ndim == 0 for term in terms.values())
        loss = torch.stack(list(terms.values())).sum()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]


@every_method
def test_the_batch_is_not_changed(method: Any, drawn: Path) -> None:
    task, batch = make(method), first_batch(method, drawn)
    before = {key: value.clone() for key, value in batch.items() if isinstance(value, torch.Tensor)}
    task.training_loss(batch)
    assert all(torch.equal(batch[key], value) for key, value in before.items())


@every_method
def test_a_batch_without_a_label_has_finite_gradients(method: Any, drawn: Path) -> None:
    task, batch = make(method), first_batch(method, drawn)
    for key in ("scribble", "mask", "pseudo_label"):
        if key in batch:
            batch[key] = torch.full_like(batch[key], 255)
    terms, _ = task.training_loss(batch)
    torch.stack(list(terms.values())).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in task.parameters() if p.grad is not None)
    supervised = [term for name, term in terms.items() if "ce" in name.split("_")]
    assert supervised
    assert all(term.item() == 0 for term in supervised)


@every_method
@pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable")  # it asks for its place
@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_two_steps_and_a_checkpoint_and_two_steps_are_four(
    method: Any, ema_decay: float | None, drawn: Path, tmp_path: Path
) -> None:
    def fit(steps: int, folder: str, resumed: Path | None = None) -> dict[str, Any]:
        trainer = quiet_trainer(
            max_steps=steps, callbacks=[Reproducible(0), CheckpointWriter(tmp_path / folder)]
        )
        task = make(method, ema_decay=ema_decay)
        trainer.fit(task, data_for(method, drawn, val=None), ckpt_path=resumed, weights_only=True)
        state: dict[str, Any] = read_checkpoint(tmp_path / folder / "last.ckpt")["state_dict"]
        return state

    whole = fit(4, "whole")
    half = fit(2, "half")
    rest = fit(4, "rest", tmp_path / "half/last.ckpt")
    assert all(torch.equal(rest[name], value) for name, value in whole.items())
    assert not all(torch.equal(half[name], value) for name, value in whole.items())


@every_method
@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_batch_norms_keep_their_statistics(method: Any, frozen: bool, drawn: Path) -> None:
    trainer = quiet_trainer(max_steps=2, val_check_interval=1)
    task = make(method, freeze_batch_norm=frozen)
    norms = [part for part in task.net.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    before = [(norm.running_mean.clone(), norm.weight.detach().clone()) for norm in norms]
    trainer.fit(task, data_for(method, drawn))
    for norm, (mean, weight) in zip(norms, before, strict=True):
        assert torch.equal(norm.running_mean, mean) == frozen
        assert not torch.equal(norm.weight, weight)


@every_method
def test_weights_go_into_their_own_kind_only(method: Any, drawn: Path, tmp_path: Path) -> None:
    from scribbleseg.errors import CheckpointError

    task = make(method)
    checkpoint: dict[str, Any] = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "a.ckpt")
    other = make(method)
    kernel = next(name for name, p in task.named_parameters() if p.ndim == 4)
    torch.nn.init.zeros_(other.get_parameter(kernel))
    load_weights(other, tmp_path / "a.ckpt")
    assert torch.equal(other.get_parameter(kernel), task.get_parameter(kernel))
    renamed = make(method, class_names=["a", "b", "c", "d"])
    with pytest.raises(
        CheckpointError, match=r"belongs to something else: class_names .* instead of .*'d'"
    ):
        load_weights(renamed, tmp_path / "a.ckpt")


@every_method
def test_mixed_precision_is_close(method: Any, drawn: Path) -> None:
    batch = first_batch(method, drawn)
    exact, _ = make(method).training_loss(batch)
    with torch.autocast("cpu", torch.bfloat16):
        half, _ = make(method).training_loss(batch)
    for name, term in exact.items():
        torch.testing.assert_close(half[name].float(), term, rtol=0.05, atol=0.02)


@every_method
@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_weights_of_other_precision_train_and_predict(
    method: Any, precision: Any, drawn: Path
) -> None:
    trainer = quiet_trainer(
        max_steps=2, limit_val_batches=1, num_sanity_val_steps=0, precision=precision
    )
    task = make(method)
    trainer.fit(task, data_for(method, drawn))
    dtype = torch.bfloat16 if precision == "bf16-true" else torch.float64
    assert {weight.dtype for weight in task.net.parameters()} == {dtype}
    assert all(weight.isfinite().all() for weight in task.net.parameters())
    data = data_for(method, drawn, evaluation_tags="scribble")
    assert trainer.validate(task, data, verbose=False)[0]["val/miou"] > 0
    task.wants_confidence = True
    trainer.predict(task, data, return_predictions=False)

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.contracts.test_methods import make
from tests.golden_cases import Case, golden
from tests.networks.test_upernet import arrays_of, golden_network
from torch import Tensor
from torchvision import tv_tensors

from scribbleseg.cli.main import main
from scribbleseg.data.sample import Region
from scribbleseg.data.tags import tags_from_label
from scribbleseg.data.transforms import RandomCrop
from scribbleseg.errors import ConfigError
from scribbleseg.exchange import load
from scribbleseg.exchange.checkpoint_layouts.blpseg import LAYOUT
from scribbleseg.inference import online_pseudo_label
from scribbleseg.methods import BLPSeg, learning_rate_factor
from scribbleseg.networks import PlainUNet

CLOSE = {"rtol": 1e-9, "atol": 1e-13}
NEVER = 10**9


def golden_batch(arrays: dict[str, Any]) -> dict[str, Any]:
    """A golden batch in our coding: there 255 is padding, and the last class is not drawn."""
    label, tags = (
        torch.tensor(arrays["label"]).long(),
        torch.tensor(arrays["cls_label"])[:, :, 0, 0],
    )
    scribble = torch.where(label == tags.shape[1], 255, label)
    image = torch.tensor(arrays["x"])
    return {
        "image": image,
        "scribble": scribble,
        "valid": label != 255,
        "tags": tags.float(),
        "supervision": ["scribble"] * len(image),
    }


@golden("blpseg", "network")
@pytest.mark.parametrize("self_training", [0, 1])
def test_golden(case: Case, self_training: int) -> None:
    arrays = arrays_of(case)
    net = golden_network(arrays)
    task = BLPSeg(
        network=lambda *_: net,
        class_names=[str(index) for index in range(net.classifier[-1].out_channels)],
        gamma=float(arrays["gamma"]),
        unannotated_weight=float(arrays["sd/CELoss.weight"][-1]),
        pseudo_start=0 if self_training else NEVER,
    ).double()
    task.train(bool(arrays["train_mode"]))
    batch = golden_batch(arrays)
    before = {key: value.clone() for key, value in batch.items() if isinstance(value, Tensor)}
    terms, logits = task.training_loss(batch)
    assert all(torch.equal(batch[key], value) for key, value in before.items())

    place = f"self_training={self_training}/"
    torch.testing.assert_close(logits.detach(), torch.tensor(arrays[f"{place}seg_logits"]), **CLOSE)
    pseudo = online_pseudo_label(logits, batch["scribble"], batch["tags"], batch["valid"])
    assert torch.equal(pseudo, torch.tensor(arrays[f"{place}seg_pseudo"]))
    assert terms["annotation_probability"].item() == pytest.approx(
        arrays[f"{place}loss_scribble"], rel=1e-9
    )
    assert terms["balanced_ce"].item() == pytest.approx(arrays[f"{place}loss_seg"], rel=1e-9)

    torch.stack(list(terms.values())).sum().backward()
    lengths = below(arrays, f"{place}gradnorm/")
    assert len(lengths) == len(list(net.parameters()))
    for name, length in lengths.items():
        gradient = net.get_parameter(name).grad
        assert gradient is not None
        assert gradient.norm().item() == pytest.approx(length.item(), rel=1e-9, abs=1e-12)
    for name, right in below(arrays, f"{place}grad/").items():
        torch.testing.assert_close(net.get_parameter(name).grad, right, **CLOSE)
    for name, value in below(arrays, "after_step_stats/").items():
        torch.testing.assert_close(net.state_dict()[name], value, **CLOSE)


def below(arrays: dict[str, Any], place: str) -> dict[str, Tensor]:
    """Golden values below ``place``, by our names."""
    found = {}
    for key in arrays:
        if key.startswith(place):
            (ours,) = LAYOUT.our_names(key.removeprefix(place))
            assert isinstance(ours, str)
            found[ours] = torch.as_tensor(arrays[key], dtype=torch.float64)
    return found


@golden("blpseg", "labels")
def test_golden_labels_and_crops(case: Case) -> None:
    png, num_classes, crop = case["png"], case["num_classes"], case["crop"]
    tags = tags_from_label(png, num_classes=num_classes, background="published")
    assert torch.equal(tags, torch.tensor(case["category"])[:, 0, 0].float())
    assert np.array_equal(np.where(png == 255, num_classes, png), case["scribble"])

    place = RandomCrop((crop, crop), place="random")
    sample = [
        tv_tensors.Image(torch.tensor(case["image"]).permute(2, 0, 1)),
        tv_tensors.Mask(torch.tensor(png).long()),
        Region(torch.ones(png.shape, dtype=torch.bool)),
    ]
    for params in placements(png.shape, crop):
        image, scribble, valid = (place.transform(one, params) for one in sample)
        coded = torch.where(valid, torch.where(scribble == 255, num_classes, scribble), 255)
        same_label = torch.equal(coded, torch.tensor(case["cropped_scribble"]))
        # Few strokes may look alike in several places.
        if same_label and torch.equal(image.permute(1, 2, 0), torch.tensor(case["cropped_image"])):
            break
    else:
        pytest.fail("no placement of ours is the published one")
    drawn = [place.make_params(sample) for _ in range(200)]
    assert all(params in placements(png.shape, crop) for params in drawn)


def placements(size: tuple[int, ...], crop: int) -> list[dict[str, Any]]:
    """Every way to lay a picture in a window, or a window in a picture."""
    ways = [
        [(0, 0, start) for start in range(side - crop + 1)]
        if side > crop
        else [(before, crop - side - before, 0) for before in range(crop - side + 1)]
        for side in size
    ]
    return [
        {"padding": [left, top, right, bottom], "top": row, "left": column}
        for top, bottom, row in ways[0]
        for left, right, column in ways[1]
    ]


@golden("blpseg", "schedule")
def test_golden_schedule(case: Case) -> None:
    """The published rate would reach 0 one step after the last."""
    ours = [
        case["base_lr"]
        * learning_rate_factor(
            int(step), case["max_iter"] + 1, schedule="poly", power=case["power"]
        )
        for step in case["iter"]
    ]
    np.testing.assert_allclose(ours, case["lr"], rtol=1e-12)


def random_batch() -> dict[str, Any]:
    torch.manual_seed(0)
    return {
        "image": torch.rand(2, 3, 32, 32),
        "scribble": torch.where(torch.rand(2, 32, 32) < 0.1, 1, 255),
        "valid": torch.ones(2, 32, 32, dtype=torch.bool),
        "tags": torch.ones(2, 3),
        "supervision": ["scribble"] * 2,
    }


def test_own_labels_begin_at_their_step(monkeypatch: pytest.MonkeyPatch) -> None:
    task, batch = make(BLPSeg, pseudo_start=3, pseudo_threshold=0.0), random_batch()
    losses = []
    for step in range(5):
        monkeypatch.setattr(BLPSeg, "global_step", step)
        terms, _ = task.training_loss(batch)
        losses.append(terms["balanced_ce"].item())
    assert losses[0] == losses[1] == losses[2] != losses[3] == losses[4]


def test_own_labels_may_leave_the_strokes_their_mean() -> None:
    batch = random_batch()
    terms = {
        weight: make(
            BLPSeg, pseudo_start=start, pseudo_threshold=0.0, pseudo_weight=weight
        ).training_loss(batch)[0]
        for start, weight in ((9, None), (0, 1.0), (0, 0.5))
    }
    assert "pseudo_ce" not in terms[None]
    assert terms[1.0]["balanced_ce"] == terms[None]["balanced_ce"]
    assert terms[1.0]["pseudo_ce"] == 2 * terms[0.5]["pseudo_ce"] > 0


def test_weights_of_the_terms() -> None:
    batch = random_batch()
    once, _ = make(BLPSeg).training_loss(batch)
    twice, _ = make(BLPSeg, annotation_weight=2.0).training_loss(batch)
    torch.testing.assert_close(twice["annotation_probability"], 2 * once["annotation_probability"])
    assert torch.equal(twice["balanced_ce"], once["balanced_ce"])


@pytest.mark.parametrize(
    "options",
    [
        {"gamma": -1.0},
        {"annotation_weight": 0.0},
        {"unannotated_weight": -0.1},
        {"pseudo_start": -1},
        {"pseudo_weight": -0.5},
        {"pseudo_threshold": 1.5},
    ],
)
def test_impossible_options(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        make(BLPSeg, **options)


def test_a_network_without_annotation_head_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"PlainUNet has no annotation head; .*Aggregated"):
        BLPSeg(network=partial(PlainUNet, widths=(4, 8)), class_names=["a", "b"])


def test_a_run_from_strokes_to_a_model_for_others(drawn: Path, tmp_path: Path) -> None:
    """The network inside the network survives config, checkpoint and export."""
    run = tmp_path / "run"
    network = ["--model.network", "scribbleseg.Aggregated", "--model.network.patch", "2"]
    base = [
        "--model.network.base",
        "scribbleseg.PlainUNet",
        "--model.network.base.widths",
        "[4, 8]",
    ]
    steps = ["--trainer.max_steps", "2", "--model.pseudo_start", "1", "--data.batch_size", "4"]
    line = ["fit", "--model", "scribbleseg.BLPSeg", *network, *base, *steps]
    line += ["--data.root", str(drawn), "--data.val", "null", "--data.test", "null"]
    line += ["--trainer.accelerator", "cpu", "--run", str(run)]
    assert main(line) == 0
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    assert main(["export", "--run", str(run), str(tmp_path / "model")]) == 0
    picture = drawn / "images/cell 8.png"
    label = load(run)(picture)
    assert np.array_equal(load(tmp_path / "model")(picture), label)
    again = ["fit", "--config", str(run / "config.yaml"), "--run", str(tmp_path / "again")]
    assert main(again) == 0
    assert np.array_equal(load(tmp_path / "again")(picture), label)

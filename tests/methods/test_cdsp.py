import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.contracts.test_methods import make
from tests.golden_cases import Case, golden
from torch import Tensor, nn

from scribbleseg.cli.main import main
from scribbleseg.errors import ConfigError
from scribbleseg.methods import CDSP

ALL = {"pseudo_label", "scribble_distance", "pseudo_distance"}
STROKES_ALONE = {
    "pseudo_weight": 0.0,
    "scribble_entropy_weight": 0.0,
    "pseudo_entropy_weight": 0.0,
    "rectification_weight": 0.0,
}
TERMS = ("segs", "segc", "ds", "dc", "lorm")


class Given(nn.Module):
    """A network whose logits and semantic map are given, to reproduce what follows them."""

    def __init__(
        self, num_classes: int, in_channels: int, *, logits: Tensor, features: Tensor
    ) -> None:
        super().__init__()
        self.logits, self.features = logits, features
        self.semantic_channels = features.shape[1]

    def with_semantic_map(self, image: Tensor) -> tuple[Tensor, Tensor]:
        size = image.shape[-2:]
        bilinear = partial(nn.functional.interpolate, mode="bilinear", align_corners=True)
        return bilinear(self.logits, size=size), self.features

    def forward(self, image: Tensor) -> Tensor:
        return self.with_semantic_map(image)[0]


@golden("cdsp", "total")
@pytest.mark.parametrize("pseudo_ignore", ["background", "ignore"])
def test_golden(case: Case, pseudo_ignore: str) -> None:
    logits = torch.tensor(case["low_res_logits"], requires_grad=True)
    features = torch.tensor(case["features"], requires_grad=True)
    weights = dict(zip(TERMS, torch.as_tensor(case["weights"]).tolist(), strict=True))
    task = CDSP(
        network=partial(Given, logits=logits, features=features),
        class_names=[str(index) for index in range(logits.shape[1])],
        scribble_weight=weights["segs"],
        pseudo_weight=weights["segc"],
        scribble_entropy_weight=weights["ds"],
        pseudo_entropy_weight=weights["dc"],
        rectification_weight=weights["lorm"],
        label_smoothing=float(case["label_smoothing"]),
        pseudo_ignore=pseudo_ignore,
    ).double()
    if weights["lorm"]:
        for name in ("query", "key"):
            projection = getattr(task.rectification, name)
            projection.load_state_dict(
                {part: torch.tensor(case[f"{name}_{part}"]) for part in ("weight", "bias")}
            )
        task.rectification.gamma.data.fill_(float(case["gamma"]))
    batch = {
        "image": torch.zeros(*case["scribble"].shape[:1], 3, *case["scribble"].shape[1:]),
        "scribble": torch.tensor(case["scribble"]).long(),
        "pseudo_label": torch.tensor(case["pseudo_label"]).long(),
        "scribble_distance": torch.tensor(case["ds"]).float(),
        "pseudo_distance": torch.tensor(case["dc"]).float(),
    }
    before = {key: value.clone() for key, value in batch.items()}
    terms, _ = task.training_loss(batch)
    assert all(torch.equal(batch[key], value) for key, value in before.items())
    found = dict(zip([name for name in TERMS if weights[name]], terms.values(), strict=True))
    # Where a term has no pixel the reference divides 0 by 0.
    published = {name: np.nan_to_num(case[f"loss_{name}"]) for name in TERMS}
    if pseudo_ignore == "ignore" or not weights["lorm"]:  # the module makes 255 the background
        published["segc"] = case["loss_segc_if_255_were_ignored"]
    for name in found:
        assert found[name].item() == pytest.approx(weights[name] * published[name], rel=1e-9)
    whole = not np.isnan(case["loss_total"])
    if pseudo_ignore == "background" and weights["lorm"] and whole:
        total = torch.stack(list(terms.values())).sum()
        assert total.item() == pytest.approx(case["loss_total"], rel=1e-9)
        total.backward()
        for tensor, theirs in ((logits, "low_res_logits"), (features, "features")):
            gradient = torch.tensor(case[f"grad_{theirs}"])
            torch.testing.assert_close(tensor.grad, gradient, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("weights", "brings", "complaint"),
    [
        ({}, {"pseudo_label", "scribble_distance"}, "pseudo_entropy need.*pseudo_distance e6"),
        ({}, {"pseudo_label", "pseudo_distance"}, "need scribble distances"),
        ({"pseudo_weight": 0.0}, ALL - {"pseudo_label"}, "terms rectification need pseudo labels"),
        ({"pseudo_entropy_weight": 0.0}, {"pseudo_label", "scribble_distance"}, None),
        (STROKES_ALONE, set(), None),
    ],
)
def test_only_maps_with_a_weight_are_asked_for(
    weights: dict[str, Any], brings: set[str], complaint: str | None
) -> None:
    task = make(CDSP, **weights)
    present = frozenset({"scribble", *brings})
    if complaint is None:
        task.check_supervision(present)
    else:
        with pytest.raises(ConfigError, match=complaint):
            task.check_supervision(present)


def test_without_rectification_there_is_no_module() -> None:
    task = make(CDSP, rectification_weight=0.0)
    assert not any("rectification" in name for name, _ in task.named_parameters())


def test_background_can_be_left_out_of_the_rectification() -> None:
    batch = {
        "image": torch.rand(2, 3, 32, 32),
        "scribble": torch.full((2, 32, 32), 255),
        "pseudo_label": torch.zeros(2, 32, 32, dtype=torch.long),
        "scribble_distance": torch.zeros(2, 32, 32),
        "pseudo_distance": torch.zeros(2, 32, 32),
    }
    zero, _ = make(CDSP).training_loss(batch)
    ignored, _ = make(CDSP, rectified_background="ignore").training_loss(batch)
    assert zero["rectification"].item() > 0
    assert ignored["rectification"].item() == 0


def test_a_network_without_a_semantic_map_is_refused() -> None:
    with pytest.raises(ConfigError, match="Conv2d has no with_semantic_map"):
        CDSP(
            network=lambda classes, channels: nn.Conv2d(channels, classes, 1),
            class_names=["a", "b"],
        )


def test_terms_without_weight_are_left_out() -> None:
    batch = {
        "image": torch.rand(2, 3, 32, 32),
        "scribble": torch.zeros(2, 32, 32, dtype=torch.long),
    }
    terms, _ = make(CDSP, **STROKES_ALONE).training_loss(batch)
    assert list(terms) == ["scribble_ce"]


def test_without_rectification_undecided_pixels_are_ignored() -> None:
    label = torch.tensor([[[255, 1], [0, 255]]])
    on = make(CDSP, pseudo_ignore="background")
    off = make(CDSP, pseudo_ignore="background", rectification_weight=0.0)
    assert on._decided(label).tolist() == [[[0, 1], [0, 0]]]
    assert torch.equal(off._decided(label), label)


@pytest.mark.parametrize(
    "options",
    [
        {"label_smoothing": 1.5},
        {"rectification_weight": -1.0},
        {**STROKES_ALONE, "scribble_weight": 0.0},
    ],
)
def test_impossible_options(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        make(CDSP, **options)


def test_a_run_from_strokes_and_pseudo_labels_to_the_report(drawn: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    network = ["--model.network", "scribbleseg.PlainUNet", "--model.network.widths", "[4, 8, 8]"]
    data = ["--data.root", str(drawn), "--data.pseudo_labels", str(drawn / "masks")]
    maps = ["--data.scribble_distance", "e", "--data.pseudo_distance", "e6"]
    steps = ["--trainer.max_steps", "2", "--data.batch_size", "4", "--trainer.accelerator", "cpu"]
    line = ["fit", "--model", "scribbleseg.CDSP", *network, *data, *maps, *steps]
    assert main([*line, "--run", str(run)]) == 0
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    assert "distance" in (run / "report/index.html").read_text()

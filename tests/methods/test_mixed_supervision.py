"""Masks, scribbles and tags in one batch, in every method that takes scribbles."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.contracts.test_methods import METHODS, data_for, make

import scribbleseg.methods as methods
from scribbleseg.errors import ConfigError
from scribbleseg.losses import partial_cross_entropy
from scribbleseg.methods import SegmentationTask

ADDED = [m for m in METHODS if "scribble" in m.uses and "mask" not in m.uses]
KINDS = ("scribble", "mask", "tags")


@pytest.fixture(scope="module")
def root(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn dataset, with files of supervision and tags."""
    root = Path(shutil.copytree(drawn, tmp_path_factory.mktemp("mixed") / "cells"))
    (root / "tags.txt").write_text("".join(f"cell {index}\tdisc\n" for index in range(8)))
    with (root / "dataset.yaml").open("a") as file:
        file.write("tags: tags.txt\n")
    for count in (2, 3):
        lines = (f"cell {index}\t{KINDS[index % count]}\n" for index in range(8))
        (root / f"{count} kinds.txt").write_text("".join(lines))
    return root


def mixed_data(method: Any, root: Path) -> Any:
    count = 3 if "tags" in method.uses else 2
    return data_for(method, root, supervision=f"{count} kinds.txt", batch_size=8)


def step(task: SegmentationTask, batch: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A training step without a trainer; its terms."""
    for name in ("log", "log_dict"):
        monkeypatch.setattr(task, name, lambda *_, **__: None)
    task.training_step(batch, 0).backward()
    return task.terms


@pytest.mark.parametrize("method", ADDED, ids=lambda m: m.__name__)
def test_masks_are_a_term_of_their_own(
    method: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, task = mixed_data(method, root), make(method, mask_weight=0.5)
    task.check_supervision(data.train_supervision)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert set(batch["supervision"]) == set(KINDS[: 3 if "tags" in method.uses else 2])
    _, logits = task.training_loss(batch)
    terms = step(make(method, mask_weight=0.5), batch, monkeypatch)
    torch.testing.assert_close(
        terms["mask_ce"], 0.5 * partial_cross_entropy(logits, batch["mask"]).detach()
    )
    assert terms["mask_ce"] > 0
    assert all(torch.isfinite(term) for term in terms.values())
    # What the method makes of the strokes is the same with and without that term.
    del batch["mask"]
    without = step(make(method), batch, monkeypatch)
    assert set(terms) - set(without) == {"mask_ce"}
    for name, term in without.items():
        torch.testing.assert_close(terms[name], term)


@pytest.mark.parametrize("method", [m for m in METHODS if m not in ADDED], ids=lambda m: m.__name__)
def test_methods_that_know_masks_get_no_second_term(
    method: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_for(method, root, supervision="mask", batch_size=4)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert "mask_ce" not in step(make(method), batch, monkeypatch)


def test_what_a_method_cannot_use_is_refused() -> None:
    def check(method: Any, *brings: str) -> None:
        make(method).check_supervision(frozenset(brings))

    for method in (methods.PartialCrossEntropy, methods.EntropyMinimisation):
        check(method, "scribble", "mask")
        check(method, "mask")  # all that a stroke says, a mask says
    check(methods.EntropyMinimisation, "mask", "tags")
    with pytest.raises(ConfigError, match=r"bring mask, tags, but .* uses mask, scribble only"):
        check(methods.PartialCrossEntropy, "mask", "tags")
    with pytest.raises(ConfigError, match=r"bring tags, but EntropyMinimisation needs scribble"):
        check(methods.EntropyMinimisation, "tags")
    with pytest.raises(ConfigError, match="PartialCrossEntropy knows no halves"):
        check(methods.PartialCrossEntropy, "scribble", "halves")
    with pytest.raises(ConfigError, match=r"FullSupervision needs mask and uses mask only"):
        check(methods.FullSupervision, "mask", "scribble")
    check(methods.SelfTraining, "mask", "tags", "pseudo_label")
    check(methods.BLPSeg, "scribble", "mask", "tags")
    with pytest.raises(ConfigError, match=r"BLPSeg: no training image brings a scribble"):
        check(methods.BLPSeg, "mask", "tags")


def test_where_annotators_draw_is_learned_from_scribbles_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def spy(logits: torch.Tensor, scribble: torch.Tensor, valid: torch.Tensor, **_: Any) -> Any:
        seen.append(valid)
        return logits.sum() * 0

    monkeypatch.setattr("scribbleseg.methods.blpseg.annotation_probability_loss", spy)
    data = mixed_data(methods.BLPSeg, root)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    make(methods.BLPSeg).training_loss(batch)
    for kind, valid in zip(batch["supervision"], seen[0], strict=True):
        assert bool(valid.any()) == (kind == "scribble")

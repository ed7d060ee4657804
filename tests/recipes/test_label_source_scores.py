import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.recipes.test_label_sources import GOOD, write

from scribbleseg.annotation import read_label, write_label
from scribbleseg.data.layouts import load_layout
from scribbleseg.errors import ConfigError, DataError
from scribbleseg.recipes.label_source_scores import (
    SourceScores,
    score_sources,
    table_of,
    write_source_scores,
)
from scribbleseg.recipes.label_sources import read_label_sources

NAMES = [f"cell {index}" for index in range(8)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_labels(folder: Path, drawn: Path, *, shift: int = 0, undecided: int = 0) -> None:
    """The masks of the training images, moved by some columns, the first columns undecided."""
    for name in NAMES:
        label = np.roll(read_label(drawn / "masks" / f"{name}.png"), shift, axis=1)
        label[:, :undecided] = 255
        write_label(folder / f"{name}.png", label)


def write_run(folder: Path, state: str, **metrics: Any) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("seed_everything: 0\n")
    (folder / "status.json").write_text(json.dumps({"state": state}))
    (folder / "metrics.json").write_text(json.dumps(metrics))


def score(here: Path, drawn: Path, said: list[str] | None = None, **changes: Any) -> SourceScores:
    content = {**GOOD, "root": str(drawn), "variants": ["r1", "r2", "r3"], **changes}
    sources = read_label_sources(
        write(here, {key: value for key, value in content.items() if value is not None})
    )
    layout, root = load_layout("folder", str(drawn))
    return score_sources(sources, layout, root, (said if said is not None else []).append)


def rows(scores: SourceScores) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table_of(scores).splitlines()
        if line.startswith("| ")
    ]


def test_a_table_by_hand(here: Path, drawn: Path) -> None:
    write_labels(here / "labels/one", drawn, undecided=16)
    for variant, shift in (("r1", 0), ("r2", 2), ("r3", 4)):
        write_labels(here / f"labels/other_{variant}", drawn, shift=shift)
        for source, miou in (("one", 0.5), ("the_other", 0.6 + shift / 10)):
            write_run(here / f"runs/{source}_{variant}", "done", test={"miou": miou})
    said: list[str] = []
    scores = score(here, drawn, said)
    assert scores.gaps == ()
    # a folder is scored once, whatever the number of its variants
    assert said == [
        f"scoring labels/{name}" for name in ("one", "other_r1", "other_r2", "other_r3")
    ]
    moved = [item.miou for item in scores.scores[4:]]
    assert all(value is not None and 0.5 < value < 1 for value in moved)
    mean, spread = np.mean([1.0, *moved]), np.std([1.0, *moved], ddof=1)
    header, _, one, other = rows(scores)
    assert header == [
        *("source", "labels r1", "labels r2", "labels r3", "labels, mean ± std", "labelled"),
        *("test r1", "test r2", "test r3", "test, mean ± std"),
    ]
    assert one == ["one", *["1.0000"] * 4, "75.0%", *["0.5000"] * 3, "0.5000 ± 0.0000"]
    assert other == [
        *("the other", "1.0000", f"{moved[0]:.4f}", f"{moved[1]:.4f}"),
        *(f"{mean:.4f} ± {spread:.4f}", "100.0%"),
        *("0.6000", "0.8000", "1.0000", "0.8000 ± 0.2000"),
    ]


def test_what_is_not_there_is_a_dash_and_a_line(here: Path, drawn: Path) -> None:
    write_labels(here / "labels/other_r1", drawn)
    write_labels(here / "labels/other_r3", drawn, shift=1)
    (here / "labels/other_r3/cell 2.png").unlink()
    (here / "labels/other_r3/cell 5.png").unlink()
    write_run(here / "runs/the_other_r2", "interrupted")
    write_run(here / "runs/the_other_r3", "done", val={"miou": 0.5})
    scores = score(here, drawn)
    dash = "\N{EN DASH}"
    _, _, one, other = rows(scores)
    assert one == ["one", *[dash] * 8]
    assert other == [
        *("the other", "1.0000", dash, dash, "1.0000 (1 of 3)"),
        *[dash] * 4,
    ]
    assert scores.gaps == (
        f"missing: labels of one: labels/one or {drawn}/labels/one",
        f"missing: labels of the other: labels/other_r2 or {drawn}/labels/other_r2",
        "incomplete: labels/other_r3: no label for cell 2, cell 5 (2 of 8 images); not scored",
        # nothing to learn from yet
        *(f"missing: run on the labels of one, r{k}: runs/one_r{k}" for k in (1, 2, 3)),
        "missing: run on the labels of the other, r1: runs/the_other_r1; scribbleseg fit --config "
        f"a.yaml --data.root {drawn} --data.scribbles scribbles_r1 --data.pseudo_labels "
        "labels/other_r1 --run runs/the_other_r1",
        "unfinished: run on the labels of the other, r2: runs/the_other_r2 (interrupted); "
        "scribbleseg fit --run runs/the_other_r2 --resume",
        "not tested: run on the labels of the other, r3: runs/the_other_r3; scribbleseg test "
        "--run runs/the_other_r3",
    )
    assert all(f"\n- {gap}" in table_of(scores) for gap in scores.gaps)


def test_folders_of_the_dataset_and_no_runs(here: Path, drawn: Path) -> None:
    few = {"runs": None, "config": None, "scribbles": None}
    scores = score(here, drawn, labels={"truth": "masks", "none": "nowhere"}, **few)
    assert rows(scores)[0] == [
        *("source", "labels r1", "labels r2", "labels r3", "labels, mean ± std")
    ]
    assert rows(scores)[2] == ["truth", *["1.0000"] * 4]


def test_files_that_are_no_labels_do_not_stop_the_others(here: Path, drawn: Path) -> None:
    write_labels(here / "labels/one", drawn)
    write_label(here / "labels/one/cell 3.png", np.full((48, 64), 7, np.uint8))
    scores = score(here, drawn, labels={"one": "labels/one", "truth": "masks"})
    assert [score.miou for score in scores.scores] == [None] * 3 + [1.0] * 3
    assert scores.gaps[0].startswith("wrong: labels/one/cell 3.png: label 7 on 3072 pixels")
    with pytest.raises(
        ConfigError, match=r"nothing can be compared; wrong: labels/one/cell 3\.png"
    ):
        score(here, drawn, labels={"one": "labels/one"})


def test_nothing_at_all_is_an_error(here: Path, drawn: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"sources.yaml: none of its folders of labels is here or below .*cells: labels/one, "
        r"labels/other_r1, labels/other_r2, labels/other_r3; make them",
    ):
        score(here, drawn)


def test_an_embedded_dataset_is_drawn_when_there_are_labels_of_it(here: Path, drawn: Path) -> None:
    layout = replace(
        load_layout("folder", str(drawn))[0], generate=lambda root: shutil.copytree(drawn, root)
    )
    sources = read_label_sources(write(here, GOOD))
    with pytest.raises(ConfigError, match="none of its folders of labels is here"):
        score_sources(sources, layout, here / "new", print)
    assert not (here / "new").exists()
    write_labels(here / "labels/one", drawn)
    assert score_sources(sources, layout, here / "new", print).scores[0].miou == 1


def test_masks_are_needed_for_some_images(here: Path, drawn: Path) -> None:
    (here / "own").mkdir()
    for name in ("images", "dataset.yaml", "train.txt", "scribbles"):
        (here / "own" / name).symlink_to(drawn / name)
    few = {"labels": {"strokes": "scribbles"}, "runs": None, "config": None, "scribbles": None}
    with pytest.raises(DataError, match=r"own/masks: no mask of the 8 images of 'train'"):
        score(here, here / "own", **few)
    (here / "own/masks").mkdir()
    for name in NAMES[:3]:
        (here / "own/masks" / f"{name}.png").symlink_to(drawn / "masks" / f"{name}.png")
    scores = score(here, here / "own", **few)
    assert (scores.images, scores.compared, scores.scores[0].miou) == (8, 3, 1.0)
    assert "(8 images, 3 of them with a mask)" in table_of(scores)


def test_the_files(here: Path, drawn: Path) -> None:
    write_labels(here / "labels/one", drawn, undecided=32)
    write_run(here / "runs/one_r2", "done", test={"miou": 0.25})
    scores = score(here, drawn)
    write_source_scores(here / "out", scores)
    assert (here / "out/label_sources.md").read_text() == table_of(scores) + "\n"
    found = list(csv.DictReader((here / "out/label_sources.csv").read_text().splitlines()))
    assert found[1] == {
        "source": "one",
        "variant": "r2",
        "labels": "labels/one",
        "miou": "1.0",
        "labelled": "0.5",
        "run": "runs/one_r2",
        "test_miou": "0.25",
    }
    assert [row["miou"] for row in found] == ["1.0"] * 3 + [""] * 3

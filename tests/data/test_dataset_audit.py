import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests.e2e.test_bad_input import picture, relabel, scribble

from scribbleseg.annotation import read_label, write_label
from scribbleseg.data.dataset_audit import DatasetAudit, audit_dataset
from scribbleseg.data.layouts import load_layout
from scribbleseg.data.problem_folder import write_problem_pictures

LISTS = {"train": "train", "val": None, "test": "test"}


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the drawn dataset that a test may spoil."""
    return Path(shutil.copytree(drawn, tmp_path / "cells"))


def audit(root: Path, lists: dict[str, str | None] = LISTS, **options: Any) -> DatasetAudit:
    layout, folder = load_layout("folder", str(root))
    return audit_dataset(layout, folder, lists, **options)


def test_a_good_dataset(drawn: Path) -> None:
    report = audit(drawn)
    assert report.findings == []
    assert report.exit_code == 0
    train, test = report.splits
    assert (train.name, train.images, test.name, test.images) == ("train", 8, "test", 3)
    assert train.scribbles is not None
    assert train.masks is not None
    labels = [read_label(drawn / f"scribbles/cell {index}.png") for index in range(8)]
    expected = [sum(int((label == value).sum()) for label in labels) for value in range(3)]
    assert train.scribbles.pixels.tolist() == expected
    assert train.scribbles.images_with.tolist() == [8, 8, 8]
    assert train.scribbles.sizes == {(48, 64): 8}
    assert train.masks.labelled_fraction == 1
    assert train.contradicting == 0


def test_tables_and_json_say_the_same(drawn: Path) -> None:
    report = audit(drawn)
    console = Console(file=io.StringIO(), width=80)
    report.print(console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["splits"]["train"]["scribbles"]["images_with"]["disc"] == 8
    assert plain["splits"]["test"]["masks"]["sizes"] == {"64x48": 3}
    assert plain["exit_code"] == 0
    assert "train: 8 images, 64 x 48" in text
    assert "nothing to mend" in text
    assert "…" not in text


BAD: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "unreadable": (lambda r: picture(r).write_bytes(b""), "error", "cell 1.png: not a picture"),
    "out of range": (lambda r: relabel(scribble(r), 1, 9), "error", "cell 1.png: label 9 on"),
    "missing": (lambda r: scribble(r).unlink(), "error", "cell 1.png missing (1 of 8)"),
    "no picture": (lambda r: picture(r).unlink(), "error", "for cell 1"),
    "no list": (lambda r: (r / "test.txt").unlink(), "error", "list 'test' not found"),
    "empty": (
        lambda r: write_label(scribble(r), np.full((48, 64), 255, np.uint8)),
        "error",
        "train: nothing is drawn in 1 of 8 scribbles: ",
    ),
    "background": (
        lambda r: [relabel(path, 0, 255) for path in (r / "scribbles").glob("*.png")],
        "error",
        "class 'background' (index 0) is never drawn",
    ),
    "class": (
        lambda r: [relabel(path, 2, 255) for path in (r / "scribbles").glob("*.png")],
        "warning",
        "train: 1 of 3 classes are in no scribble: square",
    ),
    "contradiction": (
        lambda r: relabel(scribble(r), 1, 2),
        "warning",
        "strokes lie on another class of the mask in 1 images: ",
    ),
    "two suffixes": (
        lambda r: shutil.copy(picture(r), picture(r).with_suffix(".jpg")),
        "warning",
        "images: several pictures called cell 1; .jpg before ",
    ),
    "stray": (
        lambda r: (r / "scribbles/cell 1.png").rename(r / "scribbles/Cell 1.png"),
        "warning",
        "Cell 1.png (picture 'cell 1'?) (1 in all)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_findings(root: Path, case: str) -> None:
    spoil, level, message = BAD[case]
    spoil(root)
    report = audit(root)
    found = [f for f in report.findings if message in f.message]
    assert [f.level for f in found] == [level]
    assert report.exit_code == (2 if level == "error" or case == "stray" else 1)


def test_everything_wrong_is_found_in_one_go(root: Path) -> None:
    for name in ("cell 1", "cell 2"):
        picture(root, name).write_bytes(b"")
    relabel(scribble(root, "cell 3"), 1, 9)
    messages = [f.message for f in audit(root).findings if f.level == "error"]
    assert len(messages) == 3


def write_tags(root: Path, names: int) -> None:
    with (root / "dataset.yaml").open("a") as file:
        file.write("tags: tags.txt\n")
    lines = [f"cell {index}\tdisc,square\n" for index in range(names)]
    (root / "tags.txt").write_text("".join(lines))


def test_what_training_needs_depends_on_the_supervision(root: Path) -> None:
    shutil.rmtree(root / "scribbles")
    assert audit(root).exit_code == 2
    assert audit(root, supervision="mask").exit_code == 0
    shutil.rmtree(root / "masks")
    assert audit(root, supervision="mask").exit_code == 2


def test_tags_are_read(root: Path) -> None:
    def messages() -> list[str]:
        return [f.message for f in audit(root, {"train": "train"}, supervision="tags").findings]

    assert "set 'tags: FILE' in" in messages()[0]
    write_tags(root, 7)
    assert messages() == [f"{root / 'tags.txt'}: no tags for cell 7"]
    with (root / "tags.txt").open("a") as file:
        file.write("cell 7\tdics\n")
    assert "image 'cell 7' has tag 'dics'" in messages()[0]


def test_pictures_are_read_even_without_labels(root: Path) -> None:
    write_tags(root, 8)
    for folder in ("scribbles", "masks"):
        shutil.rmtree(root / folder)
    assert audit(root, {"train": "train"}, supervision="tags").exit_code == 0
    picture(root).write_bytes(b"")
    report = audit(root, {"train": "train"}, supervision="tags")
    assert [f.level for f in report.findings] == ["error"]


def test_masks_are_judged_as_training_judges_them(root: Path) -> None:
    write_label(root / "masks/cell 1.png", np.full((48, 64), 255, np.uint8))
    write_label(root / "masks/cell 9.png", np.full((48, 64), 255, np.uint8))
    levels = {f.message[:5]: f.level for f in audit(root, supervision="mask").findings}
    assert levels == {"train": "error", "test:": "warning"}
    for path in (root / "masks").glob("*.png"):
        relabel(path, 0, 255)
    levels = {
        f.message.split(":")[0]: f.level
        for f in audit(root, supervision="mask").findings
        if "background" in f.message
    }
    assert levels == {"train": "error", "test": "warning"}


@pytest.mark.parametrize(("supervision", "level"), [("mask", "warning"), ("scribble", "error")])
def test_files_that_training_does_not_read_are_no_errors(
    root: Path, supervision: str, level: str
) -> None:
    relabel(scribble(root), 1, 9)
    findings = audit(root, supervision=supervision).findings
    assert [f.level for f in findings if "label 9" in f.message] == [level]


def test_a_list_without_names(root: Path) -> None:
    for path in (root / "images").iterdir():
        path.unlink()
    report = audit(root, {"train": "all"})
    assert "list 'all' names no image: no pictures in" in report.findings[0].message
    assert report.exit_code == 2


def transpose(path: Path) -> None:
    write_label(path, np.ascontiguousarray(read_label(path).T))


SEEN: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "out of range": (
        lambda r: relabel(scribble(r), 1, 9),
        ["values_cell 1", "contradiction_cell 1"],
    ),
    "mask out of range": (
        lambda r: relabel(r / "masks/cell 9.png", 1, 9),
        ["values_cell 9", "contradiction_cell 9"],
    ),
    "size": (lambda r: transpose(scribble(r)), ["size_cell 1"]),
    "size of a mask": (lambda r: transpose(r / "masks/cell 9.png"), ["size_cell 9"]),
    "contradiction": (lambda r: relabel(scribble(r), 1, 2), ["contradiction_cell 1"]),
    "empty": (
        lambda r: write_label(scribble(r), np.full((48, 64), 255, np.uint8)),
        ["empty_cell 1"],
    ),
    "unreadable": (lambda r: scribble(r).write_bytes(b""), []),
    "unreadable picture": (lambda r: picture(r).write_bytes(b""), []),
    "colours": (lambda r: shutil.copy(picture(r), scribble(r)), []),
    "background": (
        lambda r: [relabel(path, 0, 255) for path in (r / "scribbles").glob("*.png")],
        [],
    ),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_can_be_seen_is_drawn(root: Path, tmp_path: Path, case: str) -> None:
    spoil, names = SEEN[case]
    spoil(root)
    lists = LISTS | {"val": "test"}  # an image on two lists is drawn once
    report = audit(root, lists)
    assert report.exit_code > 0
    written = write_problem_pictures(tmp_path / "out", report)
    assert [path.stem for path in written] == names


def test_captions_hold_file_and_numbers(root: Path) -> None:
    relabel(scribble(root), 1, 2)
    problems = [problem for finding in audit(root).findings for problem in finding.problems]
    count = int((read_label(scribble(root)) != 255).sum())
    wrong = int((read_label(scribble(root)) != read_label(root / "masks/cell 1.png")).sum())
    wrong -= 48 * 64 - count
    assert [problem.caption for problem in problems] == [
        f"{scribble(root)}: {wrong} of {count} pixels are drawn on another class of the mask"
    ]


def test_several_unusable_labels_are_told_apart(root: Path) -> None:
    for name in ("cell 1", "cell 4", "cell 6"):
        relabel(scribble(root, name), 1, 9)
    scribble(root, "cell 2").write_bytes(b"")
    transpose(scribble(root, "cell 5"))
    problems = [
        (problem.kind, problem.name)
        for finding in audit(root).findings
        for problem in finding.problems
        if finding.level == "error"
    ]
    assert problems == [
        ("values", "cell 1"),
        ("values", "cell 4"),
        ("size", "cell 5"),
        ("values", "cell 6"),
    ]

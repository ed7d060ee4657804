import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.drawn import CLASSES

from scribbleseg.annotation import read_label, write_label
from scribbleseg.evaluation import (
    DistanceProfile,
    Example,
    Report,
    compare_label_images,
    write_page,
)
from scribbleseg.evaluation.volumes import VolumeScores

PALETTE = [(0, 0, 0), (255, 0, 255), (0, 255, 255)]
NAMES = [f"cell {index}" for index in range(11)]


class Reader(HTMLParser):
    """The tables, pictures and headings of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.cells: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.where = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.where = tag
        values = dict(attributes)
        if tag == "img":
            self.images.append(values["src"] or "")
            assert values["alt"]
        self.links += [str(values[key]) for key in ("href", "src") if key in values]

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.where == "td" and data.strip():
            self.cells.append(data.strip())


@pytest.fixture
def scored(drawn: Path, tmp_path: Path) -> tuple[Report, list[Example]]:
    """Predictions that get worse from image to image."""
    examples, noise = [], np.random.default_rng(0).random((48, 64))
    for index, name in enumerate(NAMES):
        mask = drawn / f"masks/{name}.png"
        label = read_label(mask).copy()
        label[noise < 0.05 * index] = 0
        write_label(tmp_path / f"predictions/{name}.png", label)
        examples.append(
            Example(
                name,
                drawn / f"images/{name}.png",
                drawn / f"scribbles/{name}.png",
                tmp_path / f"predictions/{name}.png",
                mask,
            )
        )
    pairs = [(e.name, e.prediction, e.mask) for e in examples if e.mask is not None]
    scribbles = {e.name: e.scribble for e in examples if e.scribble is not None}
    return compare_label_images(pairs, CLASSES, scribbles=scribbles), examples


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def write(path: Path, report: Report, examples: list[Example], **options: Any) -> Reader:
    texts = {"title": "T", "subtitle": "S", "summary": "U", "facts": {"seed": "7"}}
    write_page(path, report, examples, PALETTE, **{**texts, **options})
    return read(path)


def test_scores_of_single_images(scored: tuple[Report, list[Example]]) -> None:
    report, _ = scored
    values = [report.image_scores[name].scores.miou for name in NAMES]
    assert values[0] == 1
    assert values == sorted(values, reverse=True)


def test_worst_median_and_best_are_shown(
    scored: tuple[Report, list[Example]], tmp_path: Path
) -> None:
    page = write(tmp_path / "index.html", *scored)
    assert len(page.images) == 3
    for source in page.images:
        kind, data = re.fullmatch(r"data:image/(\w+);base64,(.*)", source).groups()  # type: ignore[union-attr]
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert image.format == kind.upper() == "JPEG"
            assert np.asarray(image).std() > 20
    worst, median, best = (
        page.text.split(heading)[1].split("Ranked by")[1].split("\n")[0]
        for heading in ("Worst predictions", "Median predictions", "Best predictions")
    )
    assert re.findall(r"cell \d+", worst) == ["cell 10", "cell 9", "cell 8"]
    assert re.findall(r"cell \d+", median) == ["cell 6", "cell 5", "cell 4"]
    assert re.findall(r"cell \d+", best) == ["cell 2", "cell 1", "cell 0"]


def test_the_page_needs_nothing_else_and_escapes_what_it_is_given(
    scored: tuple[Report, list[Example]], tmp_path: Path
) -> None:
    report, examples = scored
    names = ("<script>alert(1)</script>", *report.class_names[1:])
    odd = Report(report.images, names, report.counts, None, report.image_scores)
    page = write(tmp_path / "index.html", odd, examples, title="a & b", config="x: <y>")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "http" not in text
    assert all(link.startswith("data:") for link in page.links)
    assert "a & b" in page.text
    assert "x: <y>" in page.text
    assert "<script>alert(1)</script>" in page.text


def test_the_numbers_are_those_of_the_report(
    scored: tuple[Report, list[Example]], tmp_path: Path
) -> None:
    report, examples = scored
    page = write(tmp_path / "index.html", report, examples)
    for values in (report.scores.iou, report.scores.accuracy, report.scores.dice):
        assert {f"{value:.3f}" for value in values} <= set(page.cells)
    assert f"{report.scores.miou:.3f}" in page.text
    shares = 100 * report.counts / report.counts.sum(axis=1, keepdims=True)
    assert f"{shares[1, 0]:.0f}" in page.cells
    assert report.boundary is not None
    assert report.image_means is not None
    for values in (report.boundary.iou, report.image_means.dice):
        assert {f"{value:.3f}" for value in values} <= set(page.cells)
    assert "2 % of the image's diagonal" in " ".join(page.text.split())


def test_distance_from_the_strokes(scored: tuple[Report, list[Example]], tmp_path: Path) -> None:
    report, examples = scored
    profile = report.scribble_distance
    assert profile is not None
    page = write(tmp_path / "index.html", report, examples)
    section = page.text.split("Where it fails")[1].split("What is taken for what")[0]
    assert profile.summary() in section
    assert "11 images with strokes" in " ".join(section.split())
    assert "without any" not in section
    for name, accuracy in zip(profile.bins, profile.accuracy, strict=False):
        assert name in section
        assert f"{accuracy:.3f}" in section
    without = replace(report, scribble_distance=None)
    assert "Where it fails" not in write(tmp_path / "a.html", without, examples).text
    nowhere = replace(
        report, scribble_distance=DistanceProfile(0 * profile.pixels, 0 * profile.right, 0, 11)
    )
    page = write(tmp_path / "b.html", nowhere, examples)
    assert "11 images without any are left out" in page.text
    assert "nan" not in page.text


def test_what_was_left_out_is_said(scored: tuple[Report, list[Example]], tmp_path: Path) -> None:
    report, examples = scored
    page = write(tmp_path / "a.html", replace(report, skipped={"x": "x.png: <bad>"}), examples)
    assert "1 of 12 images are in no number" in page.text
    assert "x.png: <bad>" in page.text
    assert "in no number" not in write(tmp_path / "b.html", report, examples).text


def test_without_pictures_and_config_the_tables_remain(
    scored: tuple[Report, list[Example]], tmp_path: Path
) -> None:
    page = write(tmp_path / "index.html", scored[0], [])
    assert page.images == []
    assert "All images" not in page.text
    assert "Complete config" not in page.text
    assert "Complete config" in write(tmp_path / "a.html", scored[0], [], config="a: 1").text


def test_curves_and_few_images(scored: tuple[Report, list[Example]], tmp_path: Path) -> None:
    report, examples = scored
    log = tmp_path / "metrics.csv"
    log.write_text("step,epoch,loss/a,loss/total,val/miou\n0,0,1.5,1.5,\n1,0,,,0.5\n2,0,1.0,1.0,\n")
    page = write(tmp_path / "a.html", report, examples[:2], metrics_csv=log)
    assert len(page.images) == 2
    assert page.images[0].startswith("data:image/png")
    assert "All images" in page.text
    log.write_text("step,epoch\n")
    assert len(write(tmp_path / "b.html", report, [], metrics_csv=log).images) == 1
    missing = tmp_path / "none.csv"
    assert write(tmp_path / "c.html", report, [], metrics_csv=missing).images == []


def test_of_many_classes_the_most_mistaken_are_shown(tmp_path: Path) -> None:
    counts = 1000 * np.eye(30, dtype=np.int64)
    counts[7, 21] = 500
    counts[3, 0] = 100
    names = tuple(f"kind {index:02}" for index in range(30))
    palette = [(index, 0, 0) for index in range(30)]
    report = Report(1, names, counts, None, {})
    texts = {"title": "T", "subtitle": "S", "summary": "U"}
    write_page(tmp_path / "index.html", report, [], palette, **texts, facts={})
    page = read(tmp_path / "index.html")
    table = page.text.split("What is taken for what")[1]
    header = table.split("Each row")[0]
    assert "Shown are the 20 classes with the most mistakes" in table
    assert all(name in header for name in ("kind 00", "kind 03", "kind 07", "kind 21"))
    assert "all others" in header
    assert "kind 29" not in header
    assert {"33", "67"} <= set(page.cells)


def test_what_is_not_defined_is_called_so(tmp_path: Path) -> None:
    nothing = np.full((1, 2), np.nan)
    zero = np.zeros(2, np.int64)
    volumes = VolumeScores(("a",), CLASSES[1:], np.zeros((1, 2)), nothing, zero + 1, zero, zero)
    report = Report(1, CLASSES, np.diag([9, 0, 0]), volumes, {})
    page = write(tmp_path / "index.html", report, [])
    assert "not defined" in page.text
    assert "nan" not in page.text
    assert "- mm" not in page.text

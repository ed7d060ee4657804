"""The report of a run: one HTML file without anything outside it, for people who did not run it."""

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scribbleseg.annotation.label_image import Color
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.evaluation.picture import Example, draw_examples
from scribbleseg.evaluation.report import Report, mean_of_defined

__all__ = ["write_page"]

EXAMPLES = 3
"""Images in each of the groups worst, median, best."""

CONFUSED = 20
"""Classes in the table of mistakes."""

TEMPLATE = "page.html"


def write_page(
    path: Path,
    report: Report,
    examples: Sequence[Example],
    palette: Sequence[Color],
    *,
    title: str,
    subtitle: str,
    summary: str,
    facts: Mapping[str, str],
    config: str = "",
    metrics_csv: Path | None = None,
) -> None:
    """Write the report.

    Args:
        path: The HTML file.
        report: Scores, with those of each image.
        examples: Files of every image in the report; the worst, median and best are drawn.
        palette: RGB of each class.
        title: Heading.
        subtitle: Line below it.
        summary: What was trained and tested, in a sentence or two.
        facts: How it was made.
        config: Complete config, folded.
        metrics_csv: Loss log, for the curves.
    """
    # Imported here: pages are written at the end of a run only.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("scribbleseg.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
    )
    text = environment.get_template(TEMPLATE).render(
        title=title,
        subtitle=subtitle,
        summary=summary,
        numbers=_numbers(report),
        classes=_classes(report, palette),
        volumes=len(report.volumes.names) if report.volumes is not None else 0,
        confusion=_confusion(report),
        curves=_curves(metrics_csv) if metrics_csv is not None and metrics_csv.is_file() else None,
        groups=_groups(report, examples, palette),
        facts=facts,
        config=config,
    )
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _numbers(report: Report) -> list[dict[str, str]]:
    scores = report.scores
    numbers = [
        ("mean IoU", _number(scores.miou), "overlap with the truth, mean over classes; 1 is best"),
        ("pixel accuracy", _number(scores.pixel_accuracy), "share of all pixels that are right"),
    ]
    if report.volumes is not None:
        volumes = report.volumes
        numbers += [
            (
                "mean Dice, 3-D",
                _number(mean_of_defined(volumes.mean_dice)),
                "overlap of the volumes",
            ),
            (
                "mean HD95",
                _with_unit(mean_of_defined(volumes.mean_hd95), "mm"),
                f"distance of the surfaces; {int(volumes.empty_prediction.sum())} structures were "
                "not found at all and have none",
            ),
        ]
    return [{"name": n, "value": v, "meaning": m} for n, v, m in numbers]


def _classes(report: Report, palette: Sequence[Color]) -> list[dict[str, Any]]:
    scores = report.scores
    truth = report.counts.sum(axis=1)
    rows = []
    for index, name in enumerate(report.class_names):
        row = {
            "name": name,
            "color": "#{:02x}{:02x}{:02x}".format(*palette[index]),
            "iou": _number(scores.iou[index]),
            "width": round(100 * float(np.nan_to_num(scores.iou[index])), 1),
            "accuracy": _number(scores.accuracy[index]),
            "dice": _number(scores.dice[index]),
            "pixels": f"{truth[index] / max(truth.sum(), 1):.1%}",
            "dice_3d": "",
            "hd95": "",
        }
        if report.volumes is not None and name in report.volumes.class_names:
            place = list(report.volumes.class_names).index(name)
            row["dice_3d"] = _number(report.volumes.mean_dice[place])
            row["hd95"] = _number(report.volumes.mean_hd95[place], 1)
        rows.append(row)
    return rows


def _confusion(report: Report) -> dict[str, Any]:
    """Where the true pixels went, for the classes that are mistaken most; the rest is summed up."""
    counts = report.counts
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    shown = np.sort(np.argsort(-mistakes, kind="stable")[:CONFUSED])
    others = counts.sum(axis=1) - counts[:, shown].sum(axis=1)
    table = np.column_stack([counts[:, shown], others])[shown]
    shares = table / np.maximum(counts.sum(axis=1)[shown, None], 1)
    columns = [report.class_names[index] for index in shown]
    if len(shown) < len(counts):
        columns.append("all others")
    rows = [
        {
            "name": report.class_names[index],
            "cells": [
                {
                    "text": f"{100 * share:.0f}" if share >= 0.005 else "",
                    "shade": round(float(share), 3),
                    "dark": share > 0.5,
                }
                for share in row[: len(columns)]
            ],
        }
        for index, row in zip(shown, shares, strict=True)
    ]
    return {"columns": columns, "rows": rows, "all": len(shown) == len(counts)}


def _groups(
    report: Report, examples: Sequence[Example], palette: Sequence[Color]
) -> list[dict[str, str]]:
    scores = report.image_scores
    ranked = sorted(
        (example for example in examples if np.isfinite(scores.get(example.name, np.nan))),
        key=lambda example: scores[example.name],
    )
    if len(ranked) < 3 * EXAMPLES:
        chosen = {"All images": ranked} if ranked else {}
    else:
        middle = (len(ranked) - EXAMPLES) // 2
        chosen = {
            "Worst predictions": ranked[:EXAMPLES],
            "Median predictions": ranked[middle : middle + EXAMPLES],
            "Best predictions": ranked[-EXAMPLES:],
        }
    groups = []
    for heading, rows in chosen.items():
        memory = io.BytesIO()
        draw_examples(memory, rows, report.class_names, palette, file_format="jpg")
        named = ", ".join(f"{row.name} ({scores[row.name]:.3f})" for row in rows)
        groups.append(
            {
                "heading": heading,
                "note": f"Ranked by the mean IoU of the image: {named}.",
                "picture": _embedded(memory.getvalue(), "jpeg"),
            }
        )
    return groups


def _curves(path: Path) -> str | None:
    """Loss terms and validation score against the step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else {}) if name.startswith(("loss/", "val/"))]
    series = {
        name: np.array([(int(row["step"]), float(row[name])) for row in rows if row[name]])
        for name in names
    }
    # With a single term the total is the same line again.
    if len([name for name in series if name.startswith("loss/")]) == 2:
        series.pop("loss/total", None)
    figure = Figure(figsize=(9.2, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(1, 2)
    for axis, prefix, label in ((axes[0], "loss/", "loss"), (axes[1], "val/", "validation")):
        for index, (name, points) in enumerate(
            (name, points) for name, points in series.items() if name.startswith(prefix)
        ):
            if not len(points):
                continue
            color = f"C{index}"
            short = name.removeprefix(prefix)
            if prefix == "loss/":
                axis.plot(*points.T, color=color, alpha=0.25, linewidth=0.8)
                steps, values = points.T
                axis.plot(steps, _smooth(values), color=color, label=short)
            else:
                axis.plot(*points.T, color=color, marker="o", markersize=3, label=short)
        axis.set_xlabel("step")
        axis.set_title(label, fontsize=10)
        axis.grid(alpha=0.3)
        if axis.has_data():
            axis.legend(fontsize=8, frameon=False)
        else:
            axis.set_visible(False)
    memory = io.BytesIO()
    figure.savefig(memory, dpi=100, format="png")
    return _embedded(memory.getvalue(), "png")


def _smooth(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, Any]:
    """Running mean over a twentieth of the log."""
    width = max(1, len(values) // 20)
    padded = np.concatenate([np.full(width - 1, values[0]), values])
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def _embedded(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _number(value: Any, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if np.isfinite(value) else "not defined"

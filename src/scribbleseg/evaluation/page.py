"""The report of a run: one HTML file without anything outside it, for people who did not run it."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.label_image import Color
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.evaluation.loss_curves import draw_curves
from scribbleseg.evaluation.picture import Example, draw_examples
from scribbleseg.evaluation.report import Report
from scribbleseg.evaluation.scribble_distance import READING
from scribbleseg.evaluation.undefined import mean_of_defined, shown

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
        examples: Files of every image in the report; the worst, median and best are drawn. None
            where there are no pictures.
        palette: RGB of each class.
        title: Heading.
        subtitle: Line below it.
        summary: What was trained and tested, in a sentence or two.
        facts: How it was made.
        config: Complete config, folded; left out if there is none.
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
        distance=_distance(report),
        omissions=report.omissions(),
        boundary_ratio=f"{100 * report.boundary.dilation_ratio:g} %" if report.boundary else "",
        curves=_embedded(draw_curves(metrics_csv), "png")
        if metrics_csv is not None and metrics_csv.is_file()
        else None,
        groups=_groups(report, examples, palette),
        facts=facts,
        config=config,
    )
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _numbers(report: Report) -> list[dict[str, str]]:
    scores = report.scores
    numbers = [
        ("mean IoU", shown(scores.miou), "overlap with the truth, mean over classes; 1 is best"),
        ("pixel accuracy", shown(scores.pixel_accuracy), "share of all pixels that are right"),
    ]
    if report.boundary is not None:
        numbers.append(
            (
                "boundary IoU",
                shown(report.boundary.miou),
                "the same overlap, of strips along the contours only",
            )
        )
    if report.volumes is not None:
        volumes = report.volumes
        numbers += [
            ("mean Dice, 3-D", shown(mean_of_defined(volumes.mean_dice)), "overlap of the volumes"),
            (
                "mean HD95",
                _with_unit(mean_of_defined(volumes.mean_hd95), "mm"),
                f"distance of the surfaces; {int(volumes.empty_prediction.sum())} structures were "
                "not found at all and have none",
            ),
        ]
    return [{"name": n, "value": v, "meaning": m} for n, v, m in numbers]


def _classes(report: Report, palette: Sequence[Color]) -> dict[str, Any]:
    """Table of the classes: what a bar is drawn for, and further columns where they are known."""
    scores, means = report.scores, report.image_means
    truth = report.counts.sum(axis=1)
    columns: dict[str, list[str]] = {"found": _texts(scores.accuracy), "Dice": _texts(scores.dice)}
    if report.boundary is not None:
        columns["boundary IoU"] = _texts(report.boundary.iou)
    if means is not None:
        columns["image Dice"] = _texts(means.dice)
    if means is not None and means.hd95 is not None:
        columns["HD95 px"] = _texts(means.hd95, 1)
    if report.volumes is not None:
        volumes = report.volumes
        for heading, values, digits in (
            ("Dice 3-D", volumes.mean_dice, 3),
            ("HD95 mm", volumes.mean_hd95, 1),
        ):
            texts = dict(zip(volumes.class_names, _texts(values, digits), strict=True))
            columns[heading] = [texts.get(name, "") for name in report.class_names]
    columns["pixels"] = [f"{share:.1%}" for share in truth / max(truth.sum(), 1)]
    rows = [
        {
            "name": name,
            "color": "#{:02x}{:02x}{:02x}".format(*palette[index]),
            "iou": shown(scores.iou[index]),
            "width": _percent(scores.iou[index]),
            "cells": [texts[index] for texts in columns.values()],
        }
        for index, name in enumerate(report.class_names)
    ]
    return {"columns": list(columns), "rows": rows}


def _distance(report: Report) -> dict[str, Any] | None:
    """Accuracy by distance from the nearest stroke, of all pixels and of each class."""
    profile = report.scribble_distance
    if profile is None:
        return None
    bins = zip(
        profile.bins,
        profile.accuracy,
        profile.share_of_pixels,
        profile.share_of_errors,
        strict=False,
    )
    return {
        "summary": f"{profile.summary()} {READING}",
        "images": profile.images,
        "undrawn": profile.undrawn,
        "names": profile.bins,
        "rows": [
            {
                "name": name,
                "accuracy": shown(accuracy),
                "width": _percent(accuracy),
                "pixels": f"{pixels:.1%}",
                "errors": f"{errors:.1%}" if np.isfinite(errors) else "-",
                "errors_width": _percent(errors),
            }
            for name, accuracy, pixels, errors in bins
        ],
        "classes": [
            {"name": name, "cells": _texts(values[: len(profile.bins)], 2)}
            for name, values in zip(report.class_names, profile.class_accuracy, strict=True)
        ],
    }


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
    scores = {name: image.scores.miou for name, image in report.image_scores.items()}
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


def _embedded(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _texts(values: NDArray[np.float64], digits: int = 3) -> list[str]:
    return [shown(value, digits) for value in values]


def _percent(share: float) -> float:
    """Width of a bar; 0 where nothing is defined."""
    return round(100 * float(np.nan_to_num(share)), 1)


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if np.isfinite(value) else "not defined"

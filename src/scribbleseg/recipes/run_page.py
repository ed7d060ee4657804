"""The HTML report of a run folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scribbleseg.data.layout import Layout
from scribbleseg.evaluation import Example, Report, write_page
from scribbleseg.recipes.run_folder import RunFolder

__all__ = ["write_run_page"]


def write_run_page(
    folder: RunFolder,
    report: Report,
    examples: Sequence[Example],
    layout: Layout,
    *,
    checkpoint: str,
    steps: int,
) -> Path:
    """Write ``report/index.html`` of a run.

    Args:
        folder: The run.
        report: Scores of the test images.
        examples: Files of every test image.
        layout: The dataset's layout.
        checkpoint: Name or path of the weights that were tested.
        steps: Optimiser steps that they have seen.

    Returns:
        The page.
    """
    environment = json.loads((folder.path / "environment.json").read_text(encoding="utf-8"))
    method, network = environment["method"], environment["network"]
    page = folder.path / "report" / "index.html"
    write_page(
        page,
        report,
        examples,
        layout.palette,
        title=f"{method} on {layout.name}",
        subtitle=f"{folder.path}, tested {folder.status()['changed'][:10]}",
        summary=_summary(environment, report, checkpoint, steps),
        facts={
            "method": method,
            "network": f"{network}, {environment['weights']:,} weights",
            "dataset": f"{layout.name}, strokes: {environment['raster']}",
            "seed": str(environment["seed"]),
            "device": f"{environment['device']}, {environment['processes']} process(es)",
            "command": environment["command"],
            "versions": ", ".join(
                f"{name} {version}" for name, version in environment["packages"].items()
            ),
            "git revision": environment["git_revision"] or "installed package",
        },
        config=folder.config.read_text(encoding="utf-8"),
        metrics_csv=folder.path / "metrics.csv",
    )
    return page


def _summary(environment: dict[str, Any], report: Report, checkpoint: str, steps: int) -> str:
    training = environment["training"]
    supervision = " and ".join(
        {"scribble": "scribbles", "mask": "full masks", "tags": "image tags"}[kind]
        for kind in training["supervision"]
    )
    share = (
        f" in which {training['labelled_fraction']:.1%} of the pixels are labelled"
        if training["labelled_fraction"]
        else ""
    )
    return (
        f"A segmentation network ({environment['network']}) was trained with "
        f"{environment['method']} on {training['images']} images with {supervision}{share}, for "
        f"{steps} steps. The weights {checkpoint!r} were then tested on {report.images} other "
        "images whose full masks are known: every number here is a comparison with those masks."
    )

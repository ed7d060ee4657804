"""The HTML report of a run folder."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scribbleseg.data.layout import Layout
from scribbleseg.evaluation import Example, Report, write_page
from scribbleseg.methods.base import SegmentationTask
from scribbleseg.recipes.run_folder import RunFolder

__all__ = ["write_run_page"]

SUPERVISION = {
    "scribble": "scribbles",
    "mask": "full masks",
    "tags": "image tags",
    "pseudo_label": "pseudo labels",
    "scribble_distance": "distance maps of the strokes",
    "pseudo_distance": "distance maps of the pseudo labels",
    "views": "several views of each picture",
    "halves": "batches of two halves",
}


def write_run_page(
    folder: RunFolder,
    report: Report,
    examples: Sequence[Example],
    layout: Layout,
    task: SegmentationTask,
    *,
    checkpoint: str,
    steps: int,
    config: str,
) -> Path:
    """Write ``report/index.html`` of a run.

    Args:
        folder: The run; what its ``environment.json`` does not tell is left out.
        report: Scores of the test images.
        examples: Files of every test image.
        layout: The dataset's layout.
        task: The method with the weights that were tested.
        checkpoint: Name or path of these weights.
        steps: Optimiser steps that they have seen.
        config: Complete config of the test.

    Returns:
        The page.
    """
    environment = folder.environment()
    method, network = type(task).__name__, type(task.net).__name__
    weights = sum(p.numel() for p in task.parameters() if p.requires_grad)
    facts = {
        "method": method,
        "network": f"{network}, {weights:,} weights",
        "dataset": f"{layout.name}, strokes: {layout.raster}",
        "seed": environment.get("seed"),
        "device": environment.get("device"),
        "processes": environment.get("processes"),
        "command": environment.get("command"),
        "versions": ", ".join(
            f"{name} {version}" for name, version in environment.get("packages", {}).items()
        ),
        "git revision": environment.get("git_revision"),
    }
    page = folder.path / "report" / "index.html"
    write_page(
        page,
        report,
        examples,
        layout.palette,
        title=f"{method} on {layout.name}",
        subtitle=f"{folder.path}, tested {datetime.now(UTC):%Y-%m-%d}",
        summary=(
            f"A segmentation network ({network}) was trained with {method}"
            f"{_training(environment.get('training'))} for {steps} steps. The weights "
            f"{checkpoint!r} were then tested on {report.images} images whose full masks are "
            "known: every number here is a comparison with those masks."
        ),
        facts={name: str(fact) for name, fact in facts.items() if fact not in {None, ""}},
        config=config,
        metrics_csv=folder.path / "metrics.csv",
    )
    return page


def _training(training: dict[str, Any] | None) -> str:
    """What the network has learned from; nothing for weights that come from elsewhere."""
    if training is None:
        return ""
    supervision = " and ".join(SUPERVISION[kind] for kind in training["supervision"])
    share = training["labelled_fraction"]
    labelled = f" in which {share:.1%} of the pixels are labelled" if share else ""
    return f" on {training['images']} images with {supervision}{labelled},"

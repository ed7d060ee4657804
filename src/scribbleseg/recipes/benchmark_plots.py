"""The plots of a benchmark: accuracy, accuracy against labels and time, accuracy of the classes."""

import io
from collections.abc import Sequence
from typing import Any

from scribbleseg.recipes.benchmark_spec import Benchmark
from scribbleseg.recipes.benchmark_table import SCORES, Line, class_columns, score_of

__all__ = ["draw_benchmark"]

MOST_CLASSES = 25
"""More of them are a table, not a plot."""


def draw_benchmark(benchmark: Benchmark, lines: Sequence[Line]) -> bytes:
    """All plots in one picture, a PNG; points are means, bars standard deviations over seeds.

    Args:
        benchmark: What is compared.
        lines: Its methods; at least one.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    score = score_of(lines)
    classes = class_columns(lines, score)
    with_classes = 1 < len(classes) <= MOST_CLASSES
    height = max(4.8, 0.32 * len(lines) + 1.2)
    figure = Figure(figsize=(11, height + 3.4 * with_classes), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2 + with_classes, 2, height_ratios=[height / 2, height / 2, *([3.4] * with_classes)]
    )
    _draw_scores(figure.add_subplot(grid[:2, 0]), benchmark, lines, score)
    _draw_against(figure.add_subplot(grid[0, 1]), lines, score, "labelled")
    _draw_against(figure.add_subplot(grid[1, 1]), lines, score, "seconds")
    if with_classes:
        _draw_classes(figure.add_subplot(grid[2, :]), lines, classes, SCORES[score])
    figure.suptitle(_plain(benchmark.title), fontsize=11)
    memory = io.BytesIO()
    # Without the version of matplotlib, so that equal plots are equal files.
    figure.savefig(memory, dpi=100, format="png", metadata={"Software": None})
    return memory.getvalue()


def _plain(text: str) -> str:
    """A text that matplotlib takes for no formula."""
    return text.replace("$", r"\$")


def _color(index: int) -> str:
    return f"C{index % 10}"


def _draw_scores(axis: Any, benchmark: Benchmark, lines: Sequence[Line], score: str) -> None:
    titles = []
    for index, line in enumerate(lines):
        values = line.values(score)
        titles.append(f"{_plain(line.method.label)}  {index + 1}")
        axis.plot(values, [index] * len(values), "o", color=_color(index), alpha=0.4, markersize=4)
        _mark(axis, line.mean(score), index, _color(index), across=line.spread(score))
        if line.method.name == benchmark.reference and values:
            axis.axvline(line.mean(score), color="0.6", linestyle="--", linewidth=1, zorder=0)
    axis.set_yticks(range(len(lines)), titles, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(SCORES[score])
    axis.grid(axis="x", alpha=0.3)


def _draw_against(axis: Any, lines: Sequence[Line], score: str, column: str) -> None:
    """Score against what it costs; numbers are those of the list of methods."""
    for index, line in enumerate(lines):
        cost, value = line.mean(column), line.mean(score)
        if cost is None or value is None or cost <= 0:
            continue
        across = cost * 100 if column == "labelled" else cost / 60
        _mark(axis, across, value, _color(index), along=line.spread(score))
        axis.annotate(
            str(index + 1), (across, value), xytext=(4, 4), textcoords="offset points", fontsize=8
        )
    axis.set_xlabel(
        "labelled pixels, %" if column == "labelled" else "minutes of training, all stages"
    )
    axis.set_ylabel(SCORES[score])
    axis.grid(alpha=0.3)
    if not axis.has_data():
        axis.text(0.5, 0.5, "not measured", ha="center", transform=axis.transAxes, color="0.5")
        axis.set_xticks([])
        axis.set_yticks([])
    elif column == "labelled":
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")


def _draw_classes(axis: Any, lines: Sequence[Line], classes: dict[str, str], name: str) -> None:
    """A group of points a class, one a method in the colours of the list."""
    width = 0.7 / max(len(lines), 1)
    for index, line in enumerate(lines):
        for place, column in enumerate(classes.values()):
            mean = line.mean(column)
            if mean is not None:
                at = place + (index - (len(lines) - 1) / 2) * width
                _mark(axis, at, mean, _color(index), along=line.spread(column))
    axis.set_xticks(range(len(classes)), list(classes), fontsize=8, rotation=20, ha="right")
    axis.set_ylabel(name)
    axis.grid(axis="y", alpha=0.3)


def _mark(
    axis: Any, x: float | None, y: float, color: str, *, across: float = 0.0, along: float = 0.0
) -> None:
    if x is not None:
        axis.errorbar(
            x, y, xerr=across or None, yerr=along or None,
            fmt="D", color=color, markersize=4, capsize=2, linewidth=1,
        )  # fmt: skip

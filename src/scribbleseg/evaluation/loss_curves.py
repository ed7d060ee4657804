"""How training went: losses and validation scores against the step."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["draw_curves"]


def draw_curves(path: Path) -> bytes:
    """Loss terms and validation scores against the step, from a run's ``metrics.csv``: a PNG."""
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
    return memory.getvalue()


def _smooth(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, Any]:
    """Running mean over a twentieth of the log."""
    width = max(1, len(values) // 20)
    padded = np.concatenate([np.full(width - 1, values[0]), values])
    return np.convolve(padded, np.ones(width) / width, mode="valid")

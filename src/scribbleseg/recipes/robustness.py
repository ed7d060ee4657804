"""How much a method depends on its strokes: trained with shorter and with fewer of them.

The two stress tests of the field: each stroke keeps a share of its length (introduced as
scribble-shrink by URSS, Pan et al., ICCV 2021), or a share of the strokes is removed
(scribble-drop). Pseudo labels stay what they are; tags and distance maps follow the strokes.
"""

import csv
import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.data.layout import Layout
from scribbleseg.data.preparation.derived_images import Perturbation, Work, perturb_scribbles
from scribbleseg.errors import RunError
from scribbleseg.recipes.json_file import read_json
from scribbleseg.recipes.run_folder import STATUS_FILE

__all__ = ["Cell", "Robustness", "cells_of", "draw_robustness", "run_robustness", "table_of"]

Axis = Literal["whole", "shrink", "drop"]
TITLES = {
    "shrink": "share of each stroke's length that is kept",
    "drop": "share of strokes removed",
}
COLUMNS = ("axis", "ratio", "seed", "miou", "pixel_accuracy", "dice_3d", "hd95_mm")


@dataclass(frozen=True)
class Cell:
    """One training.

    Args:
        axis: What is done to the strokes.
        ratio: How much; 1 for whole strokes.
        seed: Of the training, and of what is done to the strokes.
    """

    axis: Axis
    ratio: float
    seed: int

    @property
    def name(self) -> str:
        """Name of its folders."""
        strokes = self.axis if self.axis == "whole" else f"{self.axis}_{self.ratio:g}"
        return f"{strokes}/seed{self.seed}"


@dataclass(frozen=True)
class Robustness:
    """A test of a config.

    Args:
        folder: Where everything goes.
        config: Config file of the training.
        layout: Folders and classes of its dataset.
        root: Folder of the dataset.
        names: Ids of its training images.
        options: Further words of the command line of ``fit``.
        work: Who perturbs the strokes; its target is not used.
    """

    folder: Path
    config: str
    layout: Layout
    root: Path
    names: Sequence[str]
    options: Sequence[str] = ()
    work: Work = field(default_factory=lambda: Work(Path()))


def cells_of(shrink: Sequence[float], drop: Sequence[float], seeds: Sequence[int]) -> list[Cell]:
    """The trainings of a test, those with whole strokes first.

    Raises:
        ConfigError: A share is not in 0..1.

    >>> [cell.name for cell in cells_of([1, 0.5], [0], [0])]
    ['whole/seed0', 'shrink_0.5/seed0']
    """
    changed = [
        *(("shrink", ratio) for ratio in sorted(set(shrink) - {1}, reverse=True)),
        *(("drop", ratio) for ratio in sorted(set(drop) - {0})),
    ]
    for axis, ratio in changed:
        Perturbation(**{axis: ratio})  # type: ignore[arg-type]
    return [
        *(Cell("whole", 1.0, seed) for seed in seeds),
        *(Cell(axis, float(ratio), seed) for axis, ratio in changed for seed in seeds),  # type: ignore[arg-type]
    ]


def run_robustness(
    test: Robustness,
    cells: Sequence[Cell],
    fit: Callable[[Sequence[str]], int],
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Train every cell that is not trained yet, and write the table after each.

    Args:
        test: What is trained.
        cells: With which strokes and seeds.
        fit: Runs ``scribbleseg`` with these words; returns its exit code.
        say: Prints a line.

    Returns:
        A row a cell: ``axis``, ``ratio``, ``seed`` and scores.

    Raises:
        RunError: A training failed; the others are kept. Or the folder holds trainings of another
            config, or with other options.
    """
    _check_same(test)
    rows = []
    for number, cell in enumerate(cells, start=1):
        run = test.folder / "runs" / cell.name
        if _state(run) != "done":
            say(f"{number} of {len(cells)}: {cell.name}")
            code = fit(_words(test, cell, run))
            if code != 0:
                raise RunError(
                    f"{run}: training ended with exit code {code}; mend it and give the same "
                    "command again, finished trainings are kept"
                )
        rows.append({"axis": cell.axis, "ratio": cell.ratio, "seed": cell.seed, **_scores(run)})
        _write_csv(test.folder / "robustness.csv", rows)
    return rows


def _check_same(test: Robustness) -> None:
    """Refuse a folder whose trainings, which are kept, are of something else."""
    said = yaml.safe_load(Path(test.config).read_text(encoding="utf-8"))
    now = json.loads(json.dumps({"config": said, "options": list(test.options)}, default=str))
    path = test.folder / "trained.json"
    if path.is_file() and any((test.folder / "runs").rglob("config.yaml")):
        changed = [*_differences(read_json(path), now)]
        if changed:
            raise RunError(
                f"{test.folder}: holds trainings of something else: {'; '.join(changed[:3])}; "
                "choose another --out"
            )
        return
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")


def _differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif before != now:
        yield f"{name} {before!r} -> {now!r}"


def _words(test: Robustness, cell: Cell, run: Path) -> list[str]:
    """The command line of a cell's training."""
    if (run / "config.yaml").is_file():
        return ["fit", "--run", str(run), "--resume"]
    words = ["fit", "--config", test.config, "--run", str(run), *test.options]
    words += ["--seed_everything", str(cell.seed)]
    if cell.axis != "whole":
        target = test.folder / "scribbles" / cell.name
        perturb_scribbles(
            test.layout,
            test.root,
            test.names,
            Work(target, test.work.crew, progress=test.work.progress),
            perturbation=Perturbation(**{cell.axis: cell.ratio}),  # type: ignore[arg-type]
            seed=cell.seed,
        )
        words += ["--data.scribbles", str(target.resolve())]
    return words


def _state(run: Path) -> str | None:
    return read_json(run / STATUS_FILE).get("state")


def _scores(run: Path) -> dict[str, float | None]:
    metrics = read_json(run / "metrics.json")
    if "test" not in metrics:
        raise RunError(f"{run}: was not tested; give the config a test list (--data.test)")
    test = metrics["test"]
    if test.get("checkpoint") != "last" or "changed_options" in test:
        raise RunError(
            f"{run}: was tested with another checkpoint or other options since; run "
            f"'scribbleseg test --run {run}' with no other option"
        )
    scores = {"miou": test["miou"], "pixel_accuracy": test["pixel_accuracy"]}
    if test.get("volumes"):
        scores |= {
            "dice_3d": test["volumes"]["mean_dice"],
            "hd95_mm": test["volumes"]["mean_hd95_mm"],
        }
    return scores


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    used = [name for name in COLUMNS if any(name in row for row in rows)]
    with (
        whole_file(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, used, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def table_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Mean and standard deviation over seeds, as Markdown."""
    scores = [name for name in COLUMNS[3:] if any(name in row for row in rows)]
    lines = ["| strokes | seeds | " + " | ".join(scores) + " |"]
    lines.append("| --- " * (len(scores) + 2) + "|")
    for (axis, ratio), mine in _by_strokes(rows).items():
        cells = [_mean_and_spread([row[name] for row in mine]) for name in scores]
        strokes = axis if axis == "whole" else f"{axis} {ratio:g}"
        lines.append(f"| {strokes} | {len(mine)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _by_strokes(
    rows: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, float], list[Mapping[str, Any]]]:
    groups: dict[tuple[str, float], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["axis"], row["ratio"]), []).append(row)
    return groups


def _mean_and_spread(scores: Sequence[float | None]) -> str:
    values = [score for score in scores if score is not None]  # of nothing found there is no HD95
    if not values:
        return "\N{EN DASH}"
    spread = f" ± {statistics.stdev(values):.3g}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4g}{spread}"


def draw_robustness(path: Path, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Score against ratio, a panel an axis; points are seeds, the line is their mean.

    Args:
        path: The PNG to write.
        rows: Of `run_robustness`.
        title: Line above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    score = "dice_3d" if all("dice_3d" in row for row in rows) else "miou"
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(1, 2, sharey=True)
    for panel, (axis, label) in zip(panels, TITLES.items(), strict=True):
        whole = 1.0 if axis == "shrink" else 0.0
        points = [
            (whole if row["axis"] == "whole" else row["ratio"], row[score])
            for row in rows
            if row["axis"] in {"whole", axis}
        ]
        ratios = sorted({ratio for ratio, _ in points})
        means = [statistics.mean(v for ratio, v in points if ratio == at) for at in ratios]
        panel.plot(ratios, means, color="C0")
        panel.plot(*zip(*points, strict=True), "o", color="C0", alpha=0.5, markersize=4)
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
        if axis == "shrink":
            panel.invert_xaxis()
            panel.set_ylabel("mean 3-D Dice" if score == "dice_3d" else "mean IoU")
    figure.suptitle(title, fontsize=10)
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, dpi=110, format="png")

"""The table of a benchmark: mean and spread over seeds, differences to the baseline, classes."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from scribbleseg.recipes.benchmark_spec import Benchmark, Method

__all__ = ["Line", "Table", "markdown_of", "score_of", "tables_of"]

ABSENT = "\N{EN DASH}"
STALE = "\N{DAGGER}"
HEADINGS = {
    "miou": ("mean IoU", 3),
    "pixel_accuracy": ("pixel accuracy", 3),
    "dice_3d": ("Dice, 3-D", 3),
    "hd95_mm": ("HD95, mm", 1),
    "none_predicted": ("not found", 1),
    "labelled": ("labelled", 4),
    "seconds": ("seconds", 0),
    "images_per_second": ("images/s", 1),
    "peak_memory_mb": ("memory, MB", 0),
}
"""Columns of the CSV that are shown: heading and digits behind the point."""

SPREAD = ("miou", "pixel_accuracy", "dice_3d", "hd95_mm")
"""Columns whose standard deviation is shown."""

SCORES = {"dice_3d": "mean 3-D Dice", "miou": "mean IoU"}
"""What methods are compared by: the first of these that was measured."""


@dataclass(frozen=True)
class Line:
    """A method with its measured seeds.

    Args:
        method: The method.
        rows: Of the CSV, by seed.
        stale: Whether one of them was measured with other settings than the method has now, or by
            an earlier version.
    """

    method: Method
    rows: Sequence[Mapping[str, str]]
    stale: bool = False

    @property
    def label(self) -> str:
        """What the method is called outside the first table, with a dagger if it is stale."""
        return f"{self.method.label}{STALE if self.stale else ''}"

    def values(self, column: str) -> list[float]:
        """What was measured, by seed; seeds without a value are left out."""
        return [float(row[column]) for row in self.rows if row.get(column)]

    def mean(self, column: str) -> float | None:
        """Mean over the seeds; None if there is none."""
        values = self.values(column)
        return statistics.mean(values) if values else None

    def spread(self, column: str) -> float:
        """Standard deviation over the seeds; 0 for a single one."""
        values = self.values(column)
        return statistics.stdev(values) if len(values) > 1 else 0.0

    def by_seed(self, column: str) -> dict[str, float]:
        """What was measured with each seed."""
        return {row["seed"]: float(row[column]) for row in self.rows if row.get(column)}

    @classmethod
    def all_of(
        cls,
        benchmark: Benchmark,
        rows: Sequence[Mapping[str, str]],
        inputs: Mapping[tuple[str, str], str],
    ) -> "list[Line]":
        """The methods of a benchmark that have a row of one of their seeds, in its order.

        Args:
            benchmark: What is compared.
            rows: Of its CSV.
            inputs: What each cell depends on now, by method and seed.
        """
        lines = []
        for method in benchmark.methods:
            seeds = {str(seed) for seed in method.seeds}
            own = [row for row in rows if row["config"] == method.name and row["seed"] in seeds]
            stale = any(row.get("inputs") != inputs[method.name, row["seed"]] for row in own)
            lines.append(cls(method, own, stale))
        return [line for line in lines if line.rows]


@dataclass(frozen=True)
class Table:
    """A table as texts.

    Args:
        title: What stands above it.
        header: Names of the columns.
        rows: The texts.
        note: What stands below it.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def score_of(lines: Sequence[Line]) -> str:
    """The column that methods are compared by."""
    return next((name for name in SCORES if any(line.values(name) for line in lines)), "miou")


def tables_of(benchmark: Benchmark, lines: Sequence[Line]) -> list[Table]:
    """Everything that is known, as tables.

    Args:
        benchmark: What is compared.
        lines: Its methods, see `Line.all_of`.
    """
    baseline = next((line for line in lines if line.method.name == benchmark.baseline), None)
    tables = [_main(lines, with_differences=baseline is not None)]
    if baseline is not None:
        score = score_of(lines)
        columns = [score, *(["hd95_mm"] if score == "dice_3d" else [])]
        tables += [_differences(lines, baseline, column) for column in columns]
    return [*tables, _classes(lines)]


def _main(lines: Sequence[Line], *, with_differences: bool) -> Table:
    labels = {name: [getattr(line.method, name) for line in lines] for name in ("group", "prior")}
    labels = {name: texts for name, texts in labels.items() if any(texts)}
    shown = [name for name in HEADINGS if any(line.values(name) for line in lines)]
    if not any(any(line.values("none_predicted")) for line in lines):
        shown = [name for name in shown if name != "none_predicted"]
    rows = [
        [
            line.method.title,
            *(texts[index] or ABSENT for texts in labels.values()),
            f"{len(line.rows)}{STALE if line.stale else ''}",
            *(_cell(line, name) for name in shown),
        ]
        for index, line in enumerate(lines)
    ]
    notes = ["Mean over the seeds; ± is their standard deviation (of a sample: n - 1)."]
    if len({frozenset(row["seed"] for row in line.rows) for line in lines}) > 1:
        paired = "; the differences below have" if with_differences else ""
        notes.append(f"Not all methods have the same seeds{paired}.")
    if any(line.stale for line in lines):
        notes.append(f"{STALE} measured by an earlier version, or with other settings.")
    if "labelled" in shown:
        notes.append("Labelled: share of the training images' pixels that have a label.")
    if "none_predicted" in shown:
        notes.append("Not found: structures of which nothing was predicted; they have no HD95.")
    if "seconds" in shown:
        notes.append("Seconds: of training, all stages together; images/s and memory: of the last.")
    header = ["method", *labels, "seeds", *(HEADINGS[name][0] for name in shown)]
    return Table("", header, rows, " ".join(notes))


def _cell(line: Line, column: str) -> str:
    mean, digits = line.mean(column), HEADINGS[column][1]
    if mean is None:
        return ABSENT
    if column == "labelled":
        return f"{mean:.2%}"
    if column in SPREAD and len(line.values(column)) > 1:
        return f"{mean:.{digits}f} ± {line.spread(column):.{digits}f}"
    return f"{mean:.{digits}f}"


def _differences(lines: Sequence[Line], baseline: Line, column: str) -> Table:
    """Each method minus the baseline, seed by seed: what a seed does to both is left out."""
    title, digits = HEADINGS[column]
    before = baseline.by_seed(column)
    rows = []
    for line in lines:
        if line is baseline:
            continue
        now = line.by_seed(column)
        differences = {seed: now[seed] - before[seed] for seed in now if seed in before}
        if not differences:
            continue
        values = list(differences.values())
        spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
        each = ", ".join(f"{value:+.{digits}f} ({seed})" for seed, value in differences.items())
        mean = f"{statistics.mean(values):+.{digits}f}{spread}"
        rows.append([line.label, str(len(values)), mean, each])
    header = ["method", "seeds", "mean", "each (seed)"]
    note = "± is the standard deviation of the differences, over the seeds that both have."
    title = f"{title}: difference to {baseline.label}, seed by seed"
    return Table(title, header, rows, note)


def _classes(lines: Sequence[Line]) -> Table:
    score = score_of(lines)
    names = class_columns(lines, score)
    rows = [
        [
            line.label,
            *(
                ABSENT if mean is None else f"{mean:.3f}"
                for mean in (line.mean(column) for column in names.values())
            ),
        ]
        for line in lines
    ]
    return Table(f"{HEADINGS[score][0]} of each class", ["method", *names], rows)


def class_columns(lines: Sequence[Line], score: str) -> dict[str, str]:
    """The columns of a score's classes, by class."""
    prefix = "dice_3d " if score == "dice_3d" else "iou "
    columns = dict.fromkeys(name for line in lines for row in line.rows for name in row)
    return {
        name.removeprefix(prefix): name
        for name in columns
        if name.startswith(prefix) and any(line.values(name) for line in lines)
    }


def markdown_of(benchmark: Benchmark, lines: Sequence[Line], picture: str | None = None) -> str:
    """The page of a benchmark.

    Args:
        benchmark: What is compared.
        lines: Its methods.
        picture: The plots' file, relative to the page.
    """
    parts = [f"# {benchmark.title}"]
    if benchmark.about:
        parts.append(benchmark.about)
    for table in tables_of(benchmark, lines) if lines else []:
        if table.title:
            parts.append(f"## {table.title}")
        parts.append(_as_markdown(table))
        if table.note:
            parts.append(table.note)
        if picture is not None and not table.title:
            parts.append(f"![plots of the table]({quote(picture)})")
    if not lines:
        parts.append("Nothing is measured yet.")
    parts.append(f"Made by `{benchmark.command}`, one row a run in [{benchmark.csv.name}]"
                 f"({quote(benchmark.csv.name)}).")  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _as_markdown(table: Table) -> str:
    lines = [table.header, ["---"] * len(table.header), *table.rows]
    return "\n".join("| " + " | ".join(text.replace("|", r"\|") for text in row) + " |"
                     for row in lines)  # fmt: skip

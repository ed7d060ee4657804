"""What a benchmark leaves to read: Markdown and a picture beside its CSV, and an HTML report."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.recipes.benchmark_plots import draw_benchmark
from scribbleseg.recipes.benchmark_spec import Benchmark, Method
from scribbleseg.recipes.benchmark_table import HEADINGS, Line, Table, markdown_of, tables_of

__all__ = ["write_benchmark"]

TEMPLATE = "benchmark.html"
OF_A_RUN = ("steps", "device", "revision", "inputs")


def write_benchmark(
    benchmark: Benchmark,
    rows: Sequence[Mapping[str, str]],
    inputs: Mapping[tuple[str, str], str],
) -> str:
    """Write the table of a benchmark: Markdown, PNG and HTML.

    Args:
        benchmark: What is compared.
        rows: Of its CSV; at least one of its methods has one.
        inputs: What each cell depends on now, by method and seed.

    Returns:
        The Markdown.
    """
    # Imported here: only this writes pages.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    lines = Line.all_of(benchmark, rows, inputs)
    picture = draw_benchmark(benchmark, lines)
    with whole_file(benchmark.csv.with_suffix(".png")) as unfinished:
        unfinished.write_bytes(picture)
    text = markdown_of(benchmark, lines, f"{benchmark.csv.stem}.png")
    with whole_file(benchmark.csv.with_suffix(".md")) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("scribbleseg.recipes", "."),
        autoescape=True,
        undefined=StrictUndefined,
    )
    page = environment.get_template(TEMPLATE).render(
        title=benchmark.title,
        subtitle=f"{benchmark.command}, {datetime.now(UTC):%Y-%m-%d}",
        about=benchmark.about,
        tables=tables_of(benchmark, lines),
        picture=f"data:image/png;base64,{base64.b64encode(picture).decode()}",
        runs=_runs(lines, benchmark.runs),
        path=str(benchmark.path),
        spec=benchmark.path.read_text(encoding="utf-8"),
    )
    with whole_file(benchmark.page) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return text


def _runs(lines: Sequence[Line], folder: Path) -> Table:
    """A row a run, with a link to its report as last text; empty if it is not here."""
    shown = [
        name
        for name in (*HEADINGS, *OF_A_RUN)
        if any(row.get(name) for line in lines for row in line.rows)
    ]
    header = ["run", "seed", *(HEADINGS[n][0] if n in HEADINGS else n for n in shown), ""]
    rows = [
        [
            line.method.label,
            row["seed"],
            *(row.get(name, "") for name in shown),
            _link(line.method, row["seed"], folder),
        ]
        for line in lines
        for row in line.rows
    ]
    return Table("Runs", header, rows)


def _link(method: Method, seed: str, folder: Path) -> str:
    """To the report, or for a recipe to the folder of its stages, one of which is scored."""
    place = f"{method.name}/seed{seed}/{'report/index.html' if method.config else ''}"
    return quote(place) if (folder / place).exists() else ""

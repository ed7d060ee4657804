"""The tables of the manual are those of the CSVs."""

from pathlib import Path

import pytest

from scribbleseg.cli.configs import find_config
from scribbleseg.recipes.benchmark_cells import cells_of
from scribbleseg.recipes.benchmark_rows import read_rows
from scribbleseg.recipes.benchmark_spec import Benchmark, read_benchmark
from scribbleseg.recipes.benchmark_table import Line, markdown_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs/benchmarks"
BENCHMARKS = [read_benchmark(path) for path in sorted((ROOT / "configs/benchmarks").glob("*.yaml"))]
MEASURED = [found for found in BENCHMARKS if (ROOT / found.csv).is_file()]


def test_every_table_belongs_to_one_benchmark() -> None:
    measured = [ROOT / found.csv for found in MEASURED]
    assert sorted(measured) == sorted(DOCS.glob("*.csv"))
    assert {path.stem for path in measured} >= {"acdc", "camvid", "shapes"}


@pytest.mark.parametrize("found", MEASURED, ids=lambda found: found.path.stem)
def test_the_page_is_what_the_command_makes_of_the_csv(found: Benchmark) -> None:
    rows = read_rows(ROOT / found.csv)
    cells = cells_of(found.runs, found.methods, find_config)
    inputs = {(cell.method.name, str(cell.seed)): cell.inputs(find_config) for cell in cells}
    lines = Line.all_of(found, rows, inputs)
    page = (ROOT / found.csv).with_suffix(".md")
    assert page.read_text(encoding="utf-8") == markdown_of(found, lines, f"{page.stem}.png")
    assert page.with_suffix(".png").is_file()
    assert f"]({page.name})" in (DOCS / "index.md").read_text(encoding="utf-8")


def test_the_embedded_example_is_as_hard_as_it_should_be() -> None:
    """Three seeds at the demo's budget: room for a scribble method, none for the masks."""
    rows = read_rows(DOCS / "shapes.csv")
    scores = {
        config: [float(row["miou"]) for row in rows if row["config"] == f"shapes/{config}"]
        for config in ("partial_ce", "full_supervision")
    }
    assert [len(values) for values in scores.values()] == [3, 3]
    assert max(scores["partial_ce"]) <= 0.75
    assert min(scores["full_supervision"]) >= 0.90

"""The tables of the manual are those of the CSVs."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/benchmarks/index.md"
CSVS = sorted((ROOT / "docs/benchmarks").glob("*.csv"))


@pytest.fixture(scope="module")
def accuracy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("accuracy", ROOT / "benchmarks/accuracy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_tables() -> None:
    assert {path.stem for path in CSVS} >= {"acdc", "camvid", "shapes"}


@pytest.mark.parametrize("csv", CSVS, ids=lambda path: path.stem)
def test_the_page_prints_the_csv(csv: Path, accuracy: ModuleType) -> None:
    assert accuracy.table(csv) in PAGE.read_text(encoding="utf-8")


def test_the_embedded_example_is_as_hard_as_it_should_be(accuracy: ModuleType) -> None:
    """Three seeds at the demo's budget: room for a scribble method, none for the masks."""
    rows = accuracy.read(ROOT / "docs/benchmarks/shapes.csv")
    scores = {
        config: [float(row["miou"]) for row in rows if row["config"] == f"shapes/{config}"]
        for config in ("partial_ce", "full_supervision")
    }
    assert [len(values) for values in scores.values()] == [3, 3]
    assert max(scores["partial_ce"]) <= 0.75
    assert min(scores["full_supervision"]) >= 0.90


def test_a_row_replaces_the_one_of_the_same_run(accuracy: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for seed, miou in ((1, 0.5), (0, 0.3), (1, 0.4)):
        accuracy.add_row(path, {"config": "d/c", "seed": seed, "seconds": 9, "miou": miou})
    assert [(row["seed"], row["miou"]) for row in accuracy.read(path)] == [
        ("0", "0.3"),
        ("1", "0.4"),
    ]
    assert accuracy.table(path).splitlines()[-1] == "| d/c | 2 | 0.35 ± 0.0707 | 9 |"

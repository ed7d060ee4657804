"""The table: hand values, and rows that stay."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.recipes.benchmark_example import benchmark, write_spec

from scribbleseg.errors import RunError
from scribbleseg.recipes.benchmark_page import write_benchmark
from scribbleseg.recipes.benchmark_rows import add_rows, read_rows
from scribbleseg.recipes.benchmark_spec import Benchmark, read_benchmark
from scribbleseg.recipes.benchmark_table import Line, markdown_of, tables_of

NOW = "0123456789ab"
INPUTS = {(name, str(s)): NOW for name in ("plain", "d/full", "staged") for s in range(3)}


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def row(config: str, seed: int, miou: float, **others: Any) -> dict[str, str]:
    facts = {"config": config, "seed": seed, "miou": miou, "iou a|b": miou, "inputs": NOW, **others}
    return {name: str(value) for name, value in facts.items()}


def lines_of(found: Benchmark, rows: list[dict[str, str]]) -> list[Line]:
    return Line.all_of(found, rows, INPUTS)


ROWS = [
    row("plain", 0, 0.5, seconds=60, labelled=0.01, peak_memory_mb=300, **{"iou c": 0.25}),
    row("plain", 1, 0.7, seconds=120, labelled=0.01, peak_memory_mb=500),
    row("d/full", 0, 0.8, seconds=60, labelled=1.0),
    row("d/full", 1, 0.7, seconds=60, labelled=1.0),
    row("d/full", 2, 0.9, seconds=60, labelled=1.0),
    row("staged", 0, 0.6),
    row("of another table", 0, 0.1),
]


def test_mean_spread_and_paired_differences() -> None:
    found = benchmark()
    main, differences, classes = tables_of(found, lines_of(found, ROWS))
    assert "Not all methods have the same seeds" in main.note
    dash = "\N{EN DASH}"
    assert main.header == [
        "method", "prior", "seeds", "mean IoU", "labelled", "seconds", "memory, MB"
    ]  # fmt: skip
    assert main.rows == [
        ["plain one", dash, "2", "0.600 ± 0.141", "1.00%", "90", "400"],
        ["d/full", dash, "2", "0.750 ± 0.071", "100.00%", "60", dash],
        ["staged", "hull", "1", "0.600", dash, dash, dash],
    ]
    # 0.8 - 0.5 and 0.7 - 0.7; seed 2 is none of the method's
    assert differences.rows == [
        ["d/full", "2", "+0.150 ± 0.212", "+0.300 (0), +0.000 (1)"],
        ["staged (hull)", "1", "+0.100", "+0.100 (0)"],
    ]
    assert classes.header == ["method", "a|b", "c"]
    assert classes.rows[0] == ["plain one", "0.600", "0.250"]
    assert classes.rows[1] == ["d/full", "0.750", dash]


def test_volumes_come_first_where_there_are_any() -> None:
    found = benchmark()
    volumes = {"dice_3d": 0.4, "hd95_mm": 20.0, "none_predicted": 0, "dice_3d RV": 0.3}
    rows = [row("plain", 0, 0.5, **volumes), row("d/full", 0, 0.8, **{**volumes, "hd95_mm": 5.5})]
    main, dice, hd95, classes = tables_of(found, lines_of(found, rows))
    assert main.header == ["method", "seeds", "mean IoU", "Dice, 3-D", "HD95, mm"]
    assert dice.title == "Dice, 3-D: difference to plain one, seed by seed"
    assert hd95.rows == [["d/full", "1", "-14.5", "-14.5 (0)"]]
    assert classes.header == ["method", "RV"]


def test_nothing_measured_is_said() -> None:
    found = benchmark()
    assert "Nothing is measured yet." in markdown_of(found, lines_of(found, ROWS[-1:]))


def test_a_row_replaces_the_one_of_the_same_run() -> None:
    path = Path("a.csv")
    for seed, miou in ((1, 0.5), (0, 0.3), (1, 0.4)):
        add_rows(path, [row("d/c", seed, miou, mine="kept") if seed else row("d/c", seed, miou)])
    add_rows(path, [row("a", 10, 0.9, **{"iou ä, b": 1}), row("a", 9, 0.9)])
    found = read_rows(path)
    assert [(one["config"], one["seed"], one["miou"]) for one in found] == [
        ("a", "9", "0.9"), ("a", "10", "0.9"), ("d/c", "0", "0.3"), ("d/c", "1", "0.4")
    ]  # fmt: skip
    assert (found[1]["iou ä, b"], found[3]["mine"], found[0]["mine"]) == ("1", "kept", "")


def test_another_csv_is_refused() -> None:
    Path("a.csv").write_text("name,value\nx,1\n")
    with pytest.raises(RunError, match=r"a\.csv: is not the table of a benchmark"):
        add_rows(Path("a.csv"), [])
    assert Path("a.csv").read_text() == "name,value\nx,1\n"


def test_pages_and_plots() -> None:
    found = benchmark(about="<b>bold</b> words")
    text = write_benchmark(found, ROWS, INPUTS)
    assert Path("kept/two.md").read_text() == text
    assert "![plots of the table](two.png)" in text
    assert "`scribbleseg benchmark two.yaml`" in text
    assert r"| method | a\|b | c |" in text
    first = Path("kept/two.png").read_bytes()
    write_benchmark(found, ROWS, INPUTS)
    assert Path("kept/two.png").read_bytes() == first
    page = Path("runs/two.html").read_text()
    assert "&lt;b&gt;bold&lt;/b&gt; words" in page
    assert "data:image/png;base64," in page
    assert "report</a>" not in page  # there is none here
    report = Path("runs/d/full/seed1/report/index.html")
    report.parent.mkdir(parents=True)
    report.touch()
    write_benchmark(found, ROWS, INPUTS)
    assert 'href="d/full/seed1/report/index.html"' in Path("runs/two.html").read_text()
    assert "http" not in page


def test_names_and_titles_that_markup_would_read() -> None:
    methods = {"plain": {"config": "plain.yaml", "title": "a $x_{$ b"}}
    found = benchmark(
        csv="kept/my table.csv", title="5 $ a day, 6 $", methods=methods, reference="plain"
    )
    rows = [row("plain", 0, 0.5), row("plain", 1, 0.6)]
    text = write_benchmark(found, rows, INPUTS)
    assert "![plots of the table](my%20table.png)" in text
    assert "[my table.csv](my%20table.csv)" in text
    assert Path("kept/my table.png").is_file()


def test_without_a_baseline_no_differences_are_promised() -> None:
    rows = [row("plain", 0, 0.5), row("plain", 1, 0.5), row("d/full", 0, 0.8)]
    note = "Not all methods have the same seeds"
    assert (
        f"{note}; the differences below have."
        in tables_of(benchmark(), lines_of(benchmark(), rows))[0].note
    )
    path = write_spec()
    path.write_text(path.read_text().replace("baseline: plain\n", ""))
    alone = read_benchmark(path)
    assert tables_of(alone, lines_of(alone, rows))[0].note.endswith(f"{note}.")


def test_rows_of_other_settings_are_marked() -> None:
    rows = [row("plain", 0, 0.5), row("d/full", 0, 0.8, inputs="another"), row("staged", 0, 0.6)]
    del rows[2]["inputs"]
    main = tables_of(benchmark(), lines_of(benchmark(), rows))[0]
    assert [texts[2] for texts in main.rows] == ["1", "1\N{DAGGER}", "1\N{DAGGER}"]
    differences, classes = tables_of(benchmark(), lines_of(benchmark(), rows))[1:]
    assert [texts[0] for texts in differences.rows] == [
        "d/full\N{DAGGER}",
        "staged (hull)\N{DAGGER}",
    ]
    assert [texts[0][-1] == "\N{DAGGER}" for texts in classes.rows] == [False, True, True]
    rows[0]["inputs"] = "another"
    differences = tables_of(benchmark(), lines_of(benchmark(), rows))[1]
    assert "difference to plain one\N{DAGGER}, seed by seed" in differences.title
    rows[0] = row("plain", 0, 0.5)
    assert "\N{DAGGER} measured by an earlier version, or with other settings" in main.note
    assert "\N{DAGGER}" not in tables_of(benchmark(), lines_of(benchmark(), rows[:1]))[0].note


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("d/c,1,0.5*", r"a\.csv: line 3, column 'miou' is '0\.5\*'; expected a number"),
        ("d/c,1,nan", r"a\.csv: line 3, column 'miou' is 'nan'; expected a number"),
        ("d/c,0,0.6", r"a\.csv: lines 2 and 3 are both d/c, seed 0; drop one"),
        ("d/c,,0.5", r"a\.csv: line 3, column 'seed' is ''; expected a number"),
        ("d/c,1,0.5,7", r"a\.csv: line 3 has more fields than the header"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(line: str, complaint: str) -> None:
    Path("a.csv").write_text(f"config,seed,miou\nd/c,0,0.5\n{line}\n")
    with pytest.raises(RunError, match=complaint):
        read_rows(Path("a.csv"))


def test_a_spreadsheets_mark_is_no_part_of_the_first_name() -> None:
    Path("a.csv").write_text("config,seed,miou\nd/c,0,0.5\n", encoding="utf-8-sig")
    assert read_rows(Path("a.csv")) == [{"config": "d/c", "seed": "0", "miou": "0.5"}]


def test_another_encoding_is_named() -> None:
    Path("a.csv").write_bytes("config,seed,iou Bäume\n".encode("latin-1"))
    with pytest.raises(RunError, match=r"a\.csv: is not UTF-8"):
        read_rows(Path("a.csv"))


def write_twenty(first: int) -> None:
    for seed in range(first, first + 20):
        add_rows(Path("a.csv"), [row("a", seed, 0.5)])


def test_two_that_write_one_table_lose_no_row() -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write_twenty, (0, 20)))
    assert sorted(int(one["seed"]) for one in read_rows(Path("a.csv"))) == list(range(40))

"""Cells: what is finished, what is trained, and that nobody stops the others."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.recipes.benchmark_example import Commands, benchmark

from scribbleseg.annotation.folder_lock import FolderLock
from scribbleseg.errors import RunError
from scribbleseg.recipes import benchmark_cells
from scribbleseg.recipes.benchmark_cells import (
    Cell,
    cells_of,
    changes_of,
    state_of,
    train_cell,
)
from scribbleseg.recipes.benchmark_jobs import run_here
from scribbleseg.recipes.benchmark_plan import expected_seconds
from scribbleseg.recipes.benchmark_rows import add_rows, row_of

EVERY = ["plain 0", "d/full 0", "staged 0", "plain 1", "d/full 1"]


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def cells(**changes: Any) -> list[Cell]:
    return cells_of(Path("runs"), benchmark(**changes).methods, Path)


def states(rows: list[dict[str, str]] | None = None, **changes: Any) -> list[str]:
    return [state_of(cell, Path, rows or []) for cell in cells(**changes)]


def train(commands: Commands, **options: Any) -> dict[str, str | None]:
    ends: dict[str, str | None] = {}
    to_train = [cell for cell in cells() if state_of(cell, Path, []) in {"to do", "unfinished"}]

    def finished(cell: Cell, problem: str | None) -> None:
        ends[f"{cell.method.name} {cell.seed}"] = problem

    run_here(to_train, Path, finished, run=commands, **options)
    return ends


def test_first_seeds_come_first() -> None:
    assert [f"{cell.method.name} {cell.seed}" for cell in cells()] == EVERY


@pytest.mark.parametrize("jobs", [1, 3])
def test_finished_cells_are_skipped(jobs: int) -> None:
    first, again = Commands(), Commands()
    assert train(first, jobs=jobs) == dict.fromkeys(EVERY)
    assert len(first.lines) == 4 + 3
    line = next(line for line in first.lines if "d/full/seed1" in line)
    assert line == (
        "fit --config full.yaml --data.num_workers 0 --trainer.max_steps 8 --seed_everything 1 "
        "--run runs/d/full/seed1"
    )
    assert states() == ["finished"] * 5
    assert train(again) == {}
    assert again.lines == []


def test_a_failed_cell_stops_no_other_and_goes_on_later() -> None:
    ends = train(Commands(**{"d/full": 2}))
    assert ends["d/full 0"] == "stage 'seed0' failed with exit code 2: no luck"
    assert [end is None for end in ends.values()].count(False) == 2
    assert states() == ["finished", "unfinished", "finished", "finished", "unfinished"]
    again = train(Commands(**{"d/full": 2}))
    assert again["d/full 0"] == (
        "stage 'seed0' failed with exit code 2: no luck; if its settings have changed since it "
        "began, delete runs/d/full/seed0"
    )
    killed = train(Commands(**{"d/full": 137}))
    assert killed["d/full 0"].startswith("stage 'seed0' failed with exit code 137 (killed")
    assert "delete" not in killed["d/full 0"]
    rest = Commands()
    assert train(rest) == {"d/full 0": None, "d/full 1": None}
    assert all(line.endswith("--resume") for line in rest.lines)
    assert train(Commands(staged=143)) == {}  # nothing is left to stop


def test_a_killed_stage_of_a_recipe_goes_on() -> None:
    assert train(Commands(staged=143))["staged 0"] == "was stopped"
    rest = Commands()
    assert train(rest) == {"staged 0": None}
    assert [line.split()[0] for line in rest.lines] == ["fit", "pseudolabel", "fit"]
    assert rest.lines[0].endswith("--resume")


def test_a_changed_config_is_named() -> None:
    train(Commands())
    found = cells()
    Path("plain.yaml").write_text("trainer: {max_steps: 5}")
    assert [state_of(cell, Path, []) for cell in found] == [
        "changed", "finished", "changed", "changed", "finished"
    ]  # fmt: skip
    assert changes_of(found[0], Path)[0].startswith("config: ")
    assert states(options={"data.num_workers": 3}) == ["changed"] * 5


def test_another_machines_rows_count_while_nothing_has_changed() -> None:
    train(Commands())
    rows = add_rows(Path("a.csv"), [row for cell in cells() if (row := row_of(cell, Path))])
    for folder in ("plain", "d", "staged"):
        Path("runs", folder).rename(Path("runs", f"{folder}_of_another"))
    assert states(rows) == ["in the table"] * 5
    assert states([{**row, "inputs": ""} for row in rows]) == ["to do"] * 5
    assert states(rows, options={})[0] == "to do"


def test_a_cell_in_which_somebody_works_is_left_alone() -> None:
    Path("runs/plain/seed0").mkdir(parents=True)
    Path("runs/plain/seed0/lock").write_text('{"pid": 1, "host": "elsewhere"}')
    other = FolderLock(Path("runs/staged/seed0"))
    other.folder.mkdir(parents=True)
    other.path.write_text('{"pid": 1, "host": "elsewhere"}')
    commands = Commands()
    ends = train(commands)
    for cell in ("plain", "staged"):
        assert str(ends[f"{cell} 0"]).startswith(
            f"runs/{cell}/seed0: process 1 on elsewhere works in this folder; wait for it"
        )
        assert str(ends[f"{cell} 0"]).endswith(f"delete runs/{cell}/seed0/lock)")
    assert len(commands.lines) == 3


def test_what_a_row_holds() -> None:
    train(Commands())
    row = row_of(cells()[2], Path)
    assert row is not None
    seconds = 2 * 20.2  # and the labels, in no time
    assert {name: row[name] for name in ("config", "seed", "steps", "images", "miou")} == {
        "config": "staged", "seed": "0", "steps": "8", "images": "3", "miou": "0.6"
    }  # fmt: skip
    assert float(row["seconds"]) == pytest.approx(seconds, abs=1)
    assert (row["labelled"], row["revision"]) == ("0.0125", "0123456789ab-dirty")
    assert (row["none_predicted"], row["dice_3d disc"], row["iou disc"]) == ("1", "0.6", "0.6")


def test_a_run_without_a_test_has_no_row() -> None:
    train(Commands())
    Path("runs/plain/seed0/metrics.json").write_text("{}")
    assert row_of(cells()[0], Path) is None


def test_other_weights_than_the_last_make_no_row() -> None:
    train(Commands())
    path = Path("runs/plain/seed0/metrics.json")
    path.write_text(path.read_text().replace('"last"', '"best"'))
    assert row_of(cells()[0], Path) is None


def test_scores_of_other_options_make_no_row() -> None:
    train(Commands())
    path = Path("runs/plain/seed0/metrics.json")
    metrics = json.loads(path.read_text())
    metrics["test"]["changed_options"] = ["data.test 'val' -> 'train'"]
    path.write_text(json.dumps(metrics))
    assert row_of(cells()[0], Path) is None


@pytest.mark.parametrize("name", ["metrics.json", "cost.json", "environment.json"])
def test_a_damaged_file_is_named(name: str) -> None:
    train(Commands())
    Path("runs/plain/seed0", name).write_text('{"test"')
    with pytest.raises(RunError, match=rf"^runs/plain/seed0/{name}: is damaged, no JSON object"):
        row_of(cells()[0], Path)


def test_a_damaged_stage_is_named() -> None:
    train(Commands())
    Path("runs/staged/seed0/first/stage.json").write_text("")
    with pytest.raises(RunError, match=r"staged/seed0/first/stage.json: is damaged, "):
        states()


def test_a_killed_cell_says_no_more_than_that() -> None:
    ends = train(Commands(plain=137))
    assert str(ends["plain 0"]).startswith("stage 'seed0' failed with exit code 137")
    assert "no luck" not in str(ends["plain 0"])


def test_other_strokes_are_another_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    def cell(runs: str = "runs", of: str | None = None, **scribbles: float) -> Cell:
        options = {} if of is None else {"data.scribbles": of}
        method = {"config": "plain.yaml", "scribbles": scribbles, "options": options}
        spec = benchmark(baseline="plain", reference="plain", methods={"plain": method})
        return cells_of(Path(runs), spec.methods, Path)[0]

    monkeypatch.setattr(benchmark_cells, "_perturb", lambda *_: None)
    half = cell(shrink=0.5)
    assert train_cell(half, Path, Commands()) is None
    assert state_of(cell(shrink=0.5), Path, []) == "finished"
    assert state_of(cell(shrink=0.3), Path, []) == "changed"
    assert changes_of(cell(shrink=0.3), Path) == ["scribbles: {'shrink': 0.5} -> {'shrink': 0.3}"]
    assert state_of(cell(shrink=0.5, of="r2"), Path, []) == "changed"
    assert half.inputs(Path) != cell(shrink=0.5, of="r2").inputs(Path)
    assert half.inputs(Path) != cell(shrink=0.3).inputs(Path)
    folders = [cell(shrink=0.3), cell(shrink=0.5, of="r2"), cell(shrink=0.5, of="r3"), half]
    assert len({one.scribbles for one in folders}) == 4
    assert state_of(cell(str(Path("runs").absolute()), shrink=0.5), Path, []) == "finished"


def test_expected_cost() -> None:
    plain, full, staged = cells()[:3]
    rows = [
        {"config": "plain", "seed": "1", "steps": "4", "seconds": "20"},
        {"config": "plain", "seed": "2", "steps": "4", "seconds": "40"},
    ]
    assert expected_seconds(plain, rows, Path) == 30
    assert expected_seconds(full, rows, Path) == 8 * 7.5
    assert expected_seconds(staged, rows, Path) == (4 + 6) * 7.5
    longer = cells(options={"trainer.max_steps": 400})[0]
    assert expected_seconds(longer, rows, Path) == 400 * 7.5
    assert expected_seconds(plain, [], Path) is None
    Path("full.yaml").write_text("trainer: {max_epochs: 3}")
    assert expected_seconds(staged, [{**rows[0], "config": "other"}], Path) == 10 * 5
    Path("plain.yaml").write_text("{}")
    assert expected_seconds(plain, rows, Path) == 30
    assert expected_seconds(plain, [{**rows[0], "config": "other"}], Path) is None


def test_expected_cost_is_that_of_the_rest() -> None:
    staged = cells()[2]
    rows = [
        {"config": "plain", "seed": "1", "steps": "2", "seconds": "2"},
        {"config": "d/full", "seed": "1", "steps": "4", "seconds": "40"},
    ]
    assert expected_seconds(staged, rows, Path) == 10 * 10  # the first is a trial
    assert expected_seconds(staged, rows[:1], Path) == 10
    for stage, steps in (("first", 4), ("second", 1)):
        folder = staged.recipe.stage_folder(stage)
        folder.mkdir(parents=True)
        (folder / "status.json").write_text(json.dumps({"steps": steps}))
    assert expected_seconds(staged, rows, Path) == 5 * 10
    (folder / "status.json").write_text("")
    assert expected_seconds(staged, rows, Path) == 6 * 10


def test_options_of_a_cell_may_be_any_words() -> None:
    method = {"config": "plain.yaml", "options": {"data.train": "*", "a": "C: a: b"}}
    spec = benchmark(baseline="plain", reference="plain", methods={"plain": method})
    cell = cells_of(Path("runs"), spec.methods, Path)[0]
    assert state_of(cell, Path, []) == "to do"
    assert train_cell(cell, Path, Commands()) is None
    assert state_of(cell, Path, []) == "finished"

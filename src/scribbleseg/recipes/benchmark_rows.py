"""The rows of a benchmark: scores and cost of each run, in a CSV that later runs continue."""

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import RunError
from scribbleseg.recipes.benchmark_cells import Cell
from scribbleseg.recipes.json_file import read_json
from scribbleseg.recipes.run_folder import COST_FILE
from scribbleseg.recipes.stages import STAGE_FILE

__all__ = ["add_rows", "read_rows", "row_of"]

COLUMNS = (
    "config",
    "seed",
    "steps",
    "seconds",
    "images",
    "miou",
    "pixel_accuracy",
    "dice_3d",
    "hd95_mm",
    "none_predicted",
    "labelled",
    "images_per_second",
    "peak_memory_mb",
    "device",
    "revision",
    "inputs",
)
"""Those of every table; the scores of each class stand behind them."""

NUMBERS = {*COLUMNS} - {"config", "device", "revision", "inputs"}


def row_of(cell: Cell, find_config: Callable[[str], Path]) -> dict[str, str] | None:
    """What a finished cell reports; None if its last weights were not tested as its config says.

    ``seconds`` and ``steps`` are those of all its stages; ``images_per_second``,
    ``peak_memory_mb`` and ``labelled`` those of the run that is scored.

    Raises:
        RunError: A file of a run is damaged.
    """
    metrics = read_json(cell.run / "metrics.json").get("test")
    if metrics is None or metrics.get("checkpoint") != "last" or "changed_options" in metrics:
        return None
    environment, cost = read_json(cell.run / "environment.json"), read_json(cell.run / COST_FILE)
    volumes = metrics.get("volumes")
    classes = volumes["classes"] if volumes else {}
    row: dict[str, Any] = {
        "config": cell.method.name,
        "seed": cell.seed,
        "steps": _total(read_json(cell.recipe.stage_folder(s.name) / COST_FILE).get("steps")
                        for s in cell.trainings),
        "seconds": _total(_seconds(cell)),
        "images": metrics["images"],
        "miou": _rounded(metrics["miou"], 4),
        "pixel_accuracy": _rounded(metrics["pixel_accuracy"], 4),
        "dice_3d": _rounded(volumes["mean_dice"], 4) if volumes else None,
        "hd95_mm": _rounded(volumes["mean_hd95_mm"], 2) if volumes else None,
        "none_predicted": sum(c["empty_prediction"] for c in classes.values()) if volumes else None,
        "labelled": _rounded(cost.get("labelled_share"), 6),
        "images_per_second": cost.get("images_per_second"),
        "peak_memory_mb": cost.get("peak_memory_mb"),
        "device": environment.get("device"),
        "revision": _revision(environment.get("git_revision")),
        "inputs": cell.inputs(find_config),
    }  # fmt: skip
    row |= {f"iou {name}": _rounded(c["iou"], 4) for name, c in metrics["classes"].items()}
    row |= {f"dice_3d {name}": _rounded(c["dice"], 4) for name, c in classes.items()}
    return {name: str(value) for name, value in row.items() if value is not None}


def _seconds(cell: Cell) -> Iterable[float | None]:
    """Of each stage: what a training has measured itself, what the recipe has of the others."""
    for stage in cell.recipe.stages:
        folder = cell.recipe.stage_folder(stage.name)
        yield read_json(folder / (COST_FILE if stage.command == "fit" else STAGE_FILE)).get(
            "seconds"
        )


def _total(values: Iterable[float | None]) -> float | None:
    """The sum; None if one is not known."""
    known = list(values)
    return None if None in known else round(sum(value or 0 for value in known), 1)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _revision(described: str | None) -> str | None:
    """The commit, short, with a mark where files were changed beside it."""
    if described is None:
        return None
    return described.removesuffix("-dirty")[:12] + ("-dirty" * described.endswith("-dirty"))


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV; none if it is not there.

    Raises:
        RunError: It is no table of a benchmark, or has two rows of one run.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a mark first
            rows = list(csv.DictReader(file, restval=""))
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: is not UTF-8 ({error.reason}); save it as UTF-8") from None
    lines: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows, start=2):
        if not {"config", "seed"} <= row.keys():
            raise RunError(f"{path}: is not the table of a benchmark: no 'config' and 'seed' in it")
        if not row["seed"].isdecimal():
            raise RunError(
                f"{path}: line {number}, column 'seed' is {row['seed']!r}; expected a number"
            )
        if None in row:
            raise RunError(
                f"{path}: line {number} has more fields than the header; mend or drop it"
            )
        before = lines.setdefault((row["config"], row["seed"]), number)
        if before != number:
            raise RunError(
                f"{path}: lines {before} and {number} are both {row['config']}, seed "
                f"{row['seed']}; drop one"
            )
        for name, value in row.items():
            is_score = name in NUMBERS or name.startswith(("iou ", "dice_3d "))
            if value and is_score and not _is_number(value):
                raise RunError(
                    f"{path}: line {number}, column {name!r} is {value!r}; expected a number"
                )
    return rows


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def add_rows(path: Path, new: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Put rows into a CSV in place of those of the same method and seed; others stay.

    Another process that does the same is waited for.

    Returns:
        All rows.

    Raises:
        RunError: It is no table of a benchmark.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        return _with_rows(path, new)


def _with_rows(path: Path, new: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    replaced = {(row["config"], row["seed"]) for row in new}
    rows = [row for row in read_rows(path) if (row["config"], row["seed"]) not in replaced]
    rows += [dict(row) for row in new]
    rows.sort(key=lambda row: (row["config"], int(row["seed"])))
    names = dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)])
    used = [name for name in names if any(row.get(name) for row in rows)]
    with (
        whole_file(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, used, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return rows

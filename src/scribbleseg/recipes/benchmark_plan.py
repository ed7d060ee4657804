"""What running a benchmark would do, and about how long it would take."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scribbleseg.recipes.benchmark_cells import Cell, State

__all__ = ["expected_seconds", "print_plan", "shown_time"]

TO_TRAIN: tuple[State, ...] = ("unfinished", "to do")

TRIAL_S = 10
"""A training of fewer seconds says little of a longer one: the first steps are slow."""


def expected_seconds(
    cell: Cell, rows: Sequence[Mapping[str, str]], find_config: Callable[[str], Path]
) -> float | None:
    """How long the rest of a cell will take, from rows that were measured; None if none helps.

    The cell's steps that are still to do, at the median pace of the method's other seeds; without
    any, at that of all methods; of trials only if there is nothing else. Where steps are not known,
    the median of the other seeds as they were.
    """
    measured = [row for row in rows if row.get("seconds")]
    own = [row for row in measured if row["config"] == cell.method.name]
    long = [row for row in measured if float(row["seconds"]) >= TRIAL_S]
    long_own = [row for row in long if row in own]
    paces = next(filter(None, map(_paces, (long_own, long, own, measured))), None)
    steps = cell.steps(find_config)
    if paces and steps is not None:
        return max(steps - cell.steps_done, 0) * statistics.median(paces)
    return statistics.median(float(row["seconds"]) for row in own) if own else None


def _paces(rows: Sequence[Mapping[str, str]]) -> list[float]:
    """Seconds a step, of each row that has steps."""
    return [
        float(row["seconds"]) / float(row["steps"])
        for row in rows
        if float(row.get("steps") or 0) > 0
    ]


def print_plan(
    console: Console,
    cells: Sequence[tuple[Cell, State, float | None]],
    *,
    jobs: int,
) -> None:
    """Print every cell, its state, and what is still to pay.

    Args:
        console: Where.
        cells: Each with its state and expected seconds.
        jobs: How many would be trained at a time.
    """
    table = Table()
    for column in ("method", "seed", "state", "expected"):
        table.add_column(column, overflow="fold")
    for cell, state, seconds in cells:
        expected = shown_time(seconds) if state in TO_TRAIN else ""
        table.add_row(cell.method.name, str(cell.seed), state, expected)
    console.print(table)
    costs = [seconds for _, state, seconds in cells if state in TO_TRAIN]
    known = [seconds for seconds in costs if seconds is not None]
    line = f"{len(costs)} of {len(cells)} cells to train"
    if known:
        line += f": about {shown_time(sum(known))} of training, tests not counted"
        line += f"; with {jobs} at a time {shown_time(_side_by_side(known, jobs))}" * (jobs > 1)
    if len(known) < len(costs):
        line += f"; unknown for {len(costs) - len(known)} of them"
    console.print(line, soft_wrap=True)


def _side_by_side(seconds: Sequence[float], jobs: int) -> float:
    """How long cells take when each begins as soon as one of the places is free."""
    places = [0.0] * jobs
    for one in seconds:
        places[places.index(min(places))] += one
    return max(places)


def shown_time(seconds: float | None) -> str:
    """A duration for people.

    >>> shown_time(95), shown_time(3 * 3600 + 125), shown_time(None)
    ('2 min', '3 h 02 min', 'unknown')
    """
    if seconds is None:
        return "unknown"
    hours, minutes = divmod(max(round(seconds / 60), 1), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"

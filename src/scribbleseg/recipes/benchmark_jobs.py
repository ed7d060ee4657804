"""Who trains the cells of a benchmark: processes of this machine, or jobs of a cluster."""

import importlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from scribbleseg.errors import ConfigError, Interrupted
from scribbleseg.recipes.benchmark_cells import Cell, FindConfig, train_cell
from scribbleseg.recipes.child_process import SIGNALS, run_in_child, start_child

__all__ = ["Children", "run_here", "run_on_cluster"]

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Several trainings at a time, and the same numbers on every machine."""

LOOK_S = 10.0
"""Seconds from one look at a cluster's jobs to the next."""

Finished = Callable[[Cell, str | None], None]
"""Is told of each cell, and why it is not finished."""

Run = Callable[[Cell, Sequence[str]], int]


class Children:
    """Commands in processes of their own, several at a time, which are all told to stop."""

    def __init__(self) -> None:
        self.running: set[subprocess.Popen[bytes]] = set()
        self.stopped: int | None = None
        self.guard = threading.RLock()  # a signal may come while this very thread holds it

    def __call__(self, cell: Cell, arguments: Sequence[str]) -> int:
        """Run a command of a cell, its output in the cell's log; its exit code."""
        cell.log.parent.mkdir(parents=True, exist_ok=True)
        with cell.log.open("ab") as output:
            with self.guard:
                if self.stopped is not None:
                    return 128 + self.stopped
                child = start_child(arguments, output=output, **ONE_THREAD)
                self.running.add(child)
            code = child.wait()
            with self.guard:
                self.running.discard(child)
        return 128 - code if code < 0 else code

    def stop(self, signum: int, frame: FrameType | None = None) -> None:
        """Pass a signal on to all, and start no others."""
        with self.guard:
            self.stopped = signum
            for child in self.running:
                child.send_signal(signum)


def run_here(
    cells: Sequence[Cell],
    find_config: FindConfig,
    finished: Finished,
    *,
    jobs: int = 1,
    run: Run | None = None,
) -> None:
    """Train cells on this machine.

    Args:
        cells: The cells.
        find_config: Says which file a config's name means.
        finished: Called after each, in this thread.
        jobs: Cells that are trained at a time.
        run: Runs a command of a cell; `Children` if omitted.

    Raises:
        Interrupted: We were asked to stop; all trainings have saved and can go on.
    """
    children = Children()

    def work(cell: Cell) -> str | None:
        if children.stopped is not None:
            return "was not begun"
        return train_cell(cell, find_config, run or children)

    before = {signum: signal.signal(signum, children.stop) for signum in SIGNALS}
    try:
        # A child is asked to stop when the thread that has started it ends; these do at the end.
        with ThreadPoolExecutor(jobs) as threads:
            cell_of = {threads.submit(work, cell): cell for cell in cells}
            try:
                for future in as_completed(cell_of):
                    finished(cell_of[future], future.result())
            except BaseException:
                children.stop(signal.SIGTERM)
                raise
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if children.stopped is not None:
        raise Interrupted("stopped; the same command goes on", children.stopped)


def run_on_cluster(
    cells: Sequence[Cell],
    find_config: FindConfig,
    finished: Finished,
    *,
    cluster: str,
    options: Mapping[str, Any],
    folder: Path,
    run: Run | None = None,
) -> None:
    """Train each cell in a job of its own, through submitit, and wait for all.

    Args:
        cells: The cells.
        find_config: Says which file a config's name means.
        finished: Called after each.
        cluster: ``slurm``; ``local`` and ``debug`` try the same on this machine.
        options: Of submitit's executor, e.g. ``slurm_partition``, ``timeout_min``.
        folder: Where submitit keeps its own files; the machines must see it.
        run: Runs a command of a cell, in the job.

    Raises:
        ConfigError: submitit is not installed, or does not know an option or cluster.
        Interrupted: Ctrl-C or SIGTERM; the jobs were cancelled and can go on.
    """
    try:
        submitit = importlib.import_module("submitit")
    except ImportError as error:
        raise ConfigError(
            f"--cluster needs submitit ({error}): pip install 'scribbleseg[slurm]'"
        ) from None
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**options)
    except (ValueError, NameError, RuntimeError, TypeError) as error:
        raise ConfigError(f"--cluster {cluster}: {' '.join(str(error).split())}") from None
    job = partial(train_cell, find_config=find_config, run=run or run_in_job)
    waiting: dict[Any, Cell] = {}
    asked: list[int] = []

    def interrupt(signum: int, _frame: FrameType | None) -> None:
        asked.append(signum)
        raise KeyboardInterrupt  # which nobody takes for an error of a cell

    before = {signum: signal.signal(signum, interrupt) for signum in SIGNALS}
    try:
        for cell in cells:
            try:
                waiting[executor.submit(job, cell)] = cell
            except Exception as error:  # submitit's own; those that were taken go on
                finished(cell, f"the cluster does not take it: {_last_line(error)}")
        while waiting:
            for ended in [one for one in waiting if one.done()]:
                finished(waiting.pop(ended), _result(ended))
            if waiting:
                time.sleep(LOOK_S)
    except BaseException as error:
        for one in waiting:
            one.cancel()
        if not isinstance(error, KeyboardInterrupt):
            raise
        raise Interrupted(
            "stopped, jobs were cancelled; the same command goes on", asked[0]
        ) from None
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _result(job: Any) -> str | None:
    """What a job returned; of one that ended without that, the last line of what is known."""
    error = job.exception()
    if error is None:
        result: str | None = job.result()
        return result
    return f"job {job.job_id} ended without a result: {_last_line(error)}"


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else repr(error)


def run_in_job(cell: Cell, arguments: Sequence[str]) -> int:
    """Run a command of a cell in a job of a cluster, its output in the cell's log."""
    os.environ.update(ONE_THREAD)
    cell.log.parent.mkdir(parents=True, exist_ok=True)
    with cell.log.open("ab") as output:
        return run_in_child(arguments, output=output)

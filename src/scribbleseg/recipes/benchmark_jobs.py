"""Who trains the cells of a benchmark: processes of this machine, or jobs of a cluster."""

import contextlib
import importlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import FrameType
from typing import Any, Self

from scribbleseg.errors import ConfigError, Interrupted
from scribbleseg.recipes.benchmark_cells import Cell, FindConfig, train_cell
from scribbleseg.recipes.child_process import SIGNALS, start_child

__all__ = ["Children", "Job", "run_here", "run_on_cluster"]

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Several trainings at a time, and the same numbers on every machine."""

LOOK_S = 10.0
"""Seconds from one look at a cluster's jobs to the next."""

Finished = Callable[[Cell, str | None], None]
"""Is told of each cell, and why it is not finished."""

Run = Callable[[Cell, Sequence[str]], int]


class Children:
    """Commands in processes of their own, several at a time, which are all told to stop.

    As a context manager it passes on Ctrl-C and SIGTERM.
    """

    def __init__(self) -> None:
        self.running: set[subprocess.Popen[bytes]] = set()
        self.stopped: int | None = None
        self.guard = threading.RLock()  # a signal may come while this very thread holds it
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take over the signals."""
        self.before = {signum: signal.signal(signum, self.stop) for signum in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        """Give the signals back."""
        for signum, handler in self.before.items():
            signal.signal(signum, handler)

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

    def wait(self) -> None:
        """Return when none is running any more; may be called by a handler of signals."""
        for child in tuple(self.running):
            # Not `child.wait`, in whose middle the handler's own thread may be.
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


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
    with Children() as children:

        def work(cell: Cell) -> str | None:
            if children.stopped is not None:
                return "was not begun"
            return train_cell(cell, find_config, run or children)

        # A child is asked to stop when the thread that has started it ends; these do at the end.
        with ThreadPoolExecutor(jobs) as threads:
            cell_of = {threads.submit(work, cell): cell for cell in cells}
            try:
                for future in as_completed(cell_of):
                    finished(cell_of[future], future.result())
            except BaseException:
                children.stop(signal.SIGTERM)
                raise
    if children.stopped is not None:
        raise Interrupted("stopped; the same command goes on", children.stopped)


class Job:
    """What a job of a cluster does: train a cell. Warned in time, it saves and is queued again.

    Args:
        find_config: Says which file a config's name means.
        run: Runs a command of a cell; `Children` if omitted.
    """

    def __init__(self, find_config: FindConfig, run: Run | None = None) -> None:
        self.find_config = find_config
        self.run = run
        self.children: Children | None = None

    def __call__(self, cell: Cell) -> str | None:
        """Train the cell; why it is not finished, if it is not."""
        with Children() as self.children:
            return train_cell(cell, self.find_config, self.run or self.children)

    def checkpoint(self, cell: Cell) -> Any:
        """Save, and say how to go on: submitit calls this when the cluster is about to end the job.

        Args:
            cell: The cell.

        Returns:
            submitit's ``DelayedSubmission``, of the same job.
        """
        if self.children is not None:
            self.children.stop(signal.SIGTERM)
            self.children.wait()
        again = Job(self.find_config, self.run)
        return importlib.import_module("submitit.helpers").DelayedSubmission(again, cell)


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
    job = Job(find_config, run)
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
                finished(cell, f"the cluster does not take it: {_last_line(str(error))}")
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
    # Behind a rule submitit says where its logs are.
    said, *_ = str(error).partition("\n----------------------\nYou can check")
    return f"job {job.job_id} ended without a result: {_last_line(said) or repr(error)}"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""

"""Options and progress of the commands that make many files."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from scribbleseg.cli.console import plain_console, say
from scribbleseg.data.preparation.production import Crew, Production, Progress, available_cores
from scribbleseg.errors import Interrupted

__all__ = ["add_crew_options", "crew_of", "report_production", "shown_progress"]

INTERVAL_S = 15.0
MOST_REMARKS = 10


def add_crew_options(parser: ArgumentParser) -> None:
    """Add ``--workers``, ``--backend``, ``--scheduler`` and ``--overwrite``."""
    parser.add_argument(
        "--workers",
        type=PositiveInt,
        default=available_cores(),
        help="Processes that work at a time.",
    )
    parser.add_argument(
        "--backend",
        type=Literal["processes", "dask"],
        default="processes",
        help="'dask': on a cluster whose machines see the same folders.",
    )
    parser.add_argument(
        "--scheduler", type=str | None, default=None, help="Address of the dask scheduler."
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="Also replace files made with other options, or changed by hand. (Without it, a "
        "command that was stopped goes on where it was; so does one that was stopped with it.)",
    )


def crew_of(options: Namespace) -> Crew:
    """The crew that the options describe.

    Raises:
        ConfigError: They contradict each other.
    """
    return Crew(options.workers, options.backend, options.scheduler)


class _Terminated(KeyboardInterrupt):
    """SIGTERM: stops what Ctrl-C stops."""


@contextmanager
def shown_progress(title: str) -> Iterator[Progress]:
    """A bar on a terminal; a line every quarter of a minute in logs and pipes.

    Raises:
        Interrupted: The process was asked to end (SIGTERM); what is finished is kept.
    """

    def terminate(signum: int, frame: Any) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate) if _in_main_thread() else None
    try:
        with _shown(title) as progress:
            yield progress
    except _Terminated:
        raise Interrupted("stopped; the same command goes on", signal.SIGTERM) from None
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _shown(title: str) -> Iterator[Progress]:
    console = plain_console()
    if not console.is_terminal:
        last = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= INTERVAL_S:
                last = time.monotonic()
                print(f"{title}: {done} of {total}", flush=True)

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def report_production(production: Production, remarks: tuple[str, ...] | None = None) -> None:
    """Say what was made, and the remarks."""
    remarks = production.remarks if remarks is None else remarks
    for remark in remarks[:MOST_REMARKS]:
        say(f"note: {remark}")
    if len(remarks) > MOST_REMARKS:
        say(f"note: {len(remarks) - MOST_REMARKS} more like these, see the manifest")
    kept = f", {production.kept} were there already" if production.kept else ""
    say(f"{production.target}: {production.made} made{kept}")

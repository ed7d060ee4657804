"""Processes and jobs that train cells: all are told to stop, and none stops the others."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.recipes.benchmark_example import Commands, benchmark

from scribbleseg.errors import ConfigError, Interrupted
from scribbleseg.recipes import benchmark_jobs
from scribbleseg.recipes.benchmark_cells import Cell, cells_of
from scribbleseg.recipes.benchmark_jobs import Children, Job, run_here, run_on_cluster

EVERY = ["plain 0", "d/full 0", "staged 0", "plain 1", "d/full 1"]


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def cells() -> list[Cell]:
    return cells_of(Path("runs"), benchmark().methods, Path)


def sleeps(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_ctrl_c_reaches_all_and_begins_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_jobs, "start_child", sleeps)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    ends: list[str | None] = []
    with pytest.raises(Interrupted, match="the same command goes on") as caught:
        run_here(cells(), Path, lambda cell, problem: ends.append(problem), jobs=2)
    assert caught.value.exit_code == 143
    assert sorted(map(str, ends)) == ["was not begun"] * 3 + ["was stopped"] * 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_jobs_are_cancelled_when_the_command_is_stopped(
    signum: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitit = pytest.importorskip("submitit")

    class Job:
        cancelled = 0

        def done(self) -> bool:
            return False

        def cancel(self) -> None:
            Job.cancelled += 1

    class Executor:
        def update_parameters(self, **options: Any) -> None:
            assert options == {}

        def submit(self, *_: Any) -> Job:
            return Job()

    monkeypatch.setattr(submitit, "AutoExecutor", lambda **_: Executor())
    monkeypatch.setattr(benchmark_jobs, "LOOK_S", 0.01)
    before = signal.getsignal(signum)
    threading.Timer(0.3, os.kill, (os.getpid(), signum)).start()
    with pytest.raises(Interrupted, match="jobs were cancelled") as caught:
        run_on_cluster(
            cells(), Path, lambda *_: None, cluster="slurm", options={}, folder=Path("jobs")
        )
    assert (caught.value.exit_code, Job.cancelled) == (128 + signum, 5)
    assert signal.getsignal(signum) == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_jobs_that_a_cluster_does_not_take_stop_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    submitit = pytest.importorskip("submitit")
    debug = submitit.AutoExecutor(folder="jobs", cluster="debug")
    ends: dict[str, str | None] = {}

    class Executor:
        def update_parameters(self, **options: Any) -> None:
            """No options."""

        def submit(self, job: Any, cell: Cell) -> Any:
            if cell.seed == 0:
                raise RuntimeError("sbatch: error\nQOSMaxSubmitJobPerUserLimit")
            return debug.submit(job, cell)

    def finished(cell: Cell, problem: str | None) -> None:
        ends[f"{cell.method.name} {cell.seed}"] = problem

    monkeypatch.setattr(submitit, "AutoExecutor", lambda **_: Executor())
    run_on_cluster(
        cells(), Path, finished, cluster="slurm", options={}, folder=Path("jobs"), run=Commands()
    )
    refused = "the cluster does not take it: QOSMaxSubmitJobPerUserLimit"
    assert ends == {name: refused if name.endswith("0") else None for name in EVERY}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_jobs_are_cancelled_when_the_table_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    submitit = pytest.importorskip("submitit")
    cancelled = []

    class Job:
        def __init__(self, cell: Cell) -> None:
            self.cell = cell

        def done(self) -> bool:
            return self.cell.seed == 1

        def exception(self) -> None:
            """None."""

        def result(self) -> None:
            """None."""

        def cancel(self) -> None:
            cancelled.append(self.cell.seed)

    class Executor:
        def update_parameters(self, **options: Any) -> None:
            """No options."""

        def submit(self, job: Any, cell: Cell) -> Job:
            return Job(cell)

    def finished(cell: Cell, problem: str | None) -> None:
        raise OSError("no space")

    monkeypatch.setattr(submitit, "AutoExecutor", lambda **_: Executor())
    with pytest.raises(OSError, match="no space"):
        run_on_cluster(cells(), Path, finished, cluster="slurm", options={}, folder=Path("jobs"))
    assert cancelled.count(0) == 3


def test_a_childs_words_are_in_its_log() -> None:
    cell, children = cells()[0], Children()
    assert [children(cell, [word]) for word in ("fitt", "--version")] == [2, 0]
    first, second = cell.log.read_text().splitlines()
    assert first.startswith("scribbleseg: error: no command 'fitt'; did you mean 'fit'?")
    assert second.startswith("scribbleseg ")


# submitit's debug executor leaves its log files open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_cluster_jobs() -> None:
    pytest.importorskip("submitit")
    ends: dict[str, str | None] = {}

    def finished(cell: Cell, problem: str | None) -> None:
        ends[f"{cell.method.name} {cell.seed}"] = problem

    run_on_cluster(
        cells(), Path, finished, cluster="debug", options={"timeout_min": 5},
        folder=Path("jobs"), run=Commands(staged=9),
    )  # fmt: skip
    assert list(ends) == EVERY
    assert ends.pop("staged 0") == "stage 'first' failed with exit code 9: no luck"
    assert set(ends.values()) == {None}
    with pytest.raises(ConfigError, match=r"--cluster moon: .*moon"):
        run_on_cluster(cells(), Path, finished, cluster="moon", options={}, folder=Path("jobs"))
    with pytest.raises(ConfigError, match=r"--cluster debug: .*nodes_of_gold"):
        run_on_cluster(
            cells(), Path, finished, cluster="debug", options={"nodes_of_gold": 1},
            folder=Path("jobs"),
        )  # fmt: skip


SAVES = """import pathlib, signal, sys, time
def save(*_):
    time.sleep(0.5)
    pathlib.Path("saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
pathlib.Path("ready").touch()
time.sleep(60)
"""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # nobody reaps it
def test_a_job_that_is_warned_saves_before_it_is_queued_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("submitit")
    python = [sys.executable, "-c", SAVES]
    monkeypatch.setattr(benchmark_jobs, "start_child", lambda *_, **__: subprocess.Popen(python))
    job, cell = Job(Path), cells()[0]
    queued: list[Any] = []

    def warned(*_: Any) -> None:  # as submitit does
        queued.append(job.checkpoint(cell))
        assert Path("saved").exists()
        sys.exit("queued again")

    def warn() -> None:
        while not Path("ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR2)

    before = signal.signal(signal.SIGUSR2, warned)
    handlers = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    threading.Thread(target=warn).start()
    try:
        with pytest.raises(SystemExit, match="queued again"):
            job(cell)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)] == handlers
    (again,) = queued
    assert again.args == (cell,)
    packed = pickle.loads(pickle.dumps(again.function))  # with neither processes nor locks
    assert (type(packed), packed.find_config, packed.children) == (Job, Path, None)
    assert Job(Path).checkpoint(cell).args == (cell,)  # warned before it has begun


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_job_died_of_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setattr(benchmark_jobs, "LOOK_S", 0.1)
    ends: list[str | None] = []
    run_on_cluster(
        cells()[:1], Path, lambda cell, problem: ends.append(problem),
        cluster="local", options={"timeout_min": 5}, folder=Path("jobs"),
        run=os.getpgid,  # type: ignore[arg-type]  # wants one argument
    )  # fmt: skip
    (said,) = ends
    assert said is not None
    assert "ended without a result: TypeError: getpgid() takes " in said


def test_without_submitit_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"pip install 'scribbleseg\[slurm\]'"):
        run_on_cluster(
            cells(), Path, lambda *_: None, cluster="slurm", options={}, folder=Path("jobs")
        )

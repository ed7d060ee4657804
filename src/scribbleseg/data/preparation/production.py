"""Making the files of a dataset: in parallel, and so that whoever is killed loses nothing.

The folder's ``manifest.jsonl`` says what made it and, a line a job, which files there are with
their SHA-256. The same call made again finds what is finished, makes what is missing or whose
sources have changed, and leaves alone what somebody has changed by hand.
"""

import errno
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scribbleseg import __version__
from scribbleseg.annotation.folder_lock import FolderLock
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.data.preparation.manifest import (
    MANIFEST,
    Line,
    append_line,
    hash_or_none,
    read_manifest,
    write_manifest,
)
from scribbleseg.errors import ConfigError, DataError, RunError, ScribblesegError

__all__ = [
    "Backend",
    "Crew",
    "Finish",
    "Job",
    "Made",
    "Production",
    "Progress",
    "available_cores",
    "produce",
]

AT_THE_END = ""
"""Name under which the manifest keeps the files that are written when all jobs are done."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})

PATIENCE_S = 20
"""How long a cluster is waited for."""

Backend = Literal["processes", "dask"]
Finish = Callable[[Mapping[str, Mapping[str, Any]]], Mapping[str, str | bytes]]
Progress = Callable[[int, int], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """What a job has made.

    Args:
        files: Relative to the target folder.
        facts: Plain JSON values about them, for what is written at the end.
        remarks: What a person should know.
    """

    files: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """Makes the files of one picture or volume; runs in any process.

    Args:
        name: Unique among the jobs of a folder, e.g. the id of the picture.
        make: Called with the target folder; writes each file completely or not at all.
        sources: Files that it reads. When their size or date changes, it is done again.
        details: Whatever else it depends on, as plain values; the same for these.
    """

    name: str
    make: Callable[[Path], Made]
    sources: tuple[Path, ...] = ()
    details: Any = None


@dataclass(frozen=True)
class Crew:
    """Who does the work.

    Args:
        workers: Processes on this machine.
        backend: ``processes``, or ``dask`` for a cluster whose machines see the same folders.
        scheduler: Address of the cluster's scheduler, ``host:port``.

    Raises:
        ConfigError: No workers, or a cluster without address.
    """

    workers: int = 1
    backend: Backend = "processes"
    scheduler: str | None = None

    def __post_init__(self) -> None:
        """Check it."""
        if self.workers < 1:
            raise ConfigError(f"--workers: {self.workers} is too few; at least 1")
        if (self.backend == "dask") != (self.scheduler is not None):
            raise ConfigError("--backend dask and --scheduler HOST:PORT go together; give both")


@dataclass(frozen=True)
class Production:
    """What there is now.

    Args:
        target: The folder.
        made: Number of jobs done by this call.
        kept: Number of jobs that were done before.
        facts: Of each job, by its name, in the order of the jobs.
        remarks: Of all jobs, and about files that were left alone.
    """

    target: Path
    made: int
    kept: int
    facts: Mapping[str, Mapping[str, Any]]
    remarks: tuple[str, ...]


def produce(
    target: Path,
    jobs: Sequence[Job],
    *,
    settings: Mapping[str, Any],
    finish: Finish = lambda _: {},
    crew: Crew = Crew(),
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> Production:
    """Make the files of all jobs, and the manifest.

    Args:
        target: Folder of the files; new, empty, or made by an earlier call with these settings.
        jobs: What is to be made.
        settings: Plain JSON values on which the files depend; kept in the manifest.
        finish: From the facts of all jobs to the content of the files that are written at the end,
            by their path.
        crew: Who does the work.
        overwrite: Also replace what was made with other settings or has been changed by hand.
        progress: Told how many of how many jobs are done.

    Raises:
        DataError: Jobs failed (the others are done and kept), or files were changed by hand.
        RunError: The folder is something else's, or another process works in it.
        OSError: The disk is full; what is finished is kept.
    """
    settings = json.loads(json.dumps(settings))
    if target.exists() and not target.is_dir():
        raise RunError(f"{target}: is a file; choose a folder")
    lock = FolderLock(target)
    lock.check()
    before = read_manifest(target, settings, overwrite=overwrite)
    lock.acquire()
    try:
        for unfinished in target.rglob(".*.tmp"):
            unfinished.unlink(missing_ok=True)
        kept = {} if overwrite else _finished(target, jobs, before)
        known = {job.name for job in jobs}
        _remove(target, [before[name] for name in before if name not in known | {AT_THE_END}])
        header = {"manifest": 1, "version": __version__, "settings": settings}
        # What is known of files to be made again must outlive this call, whatever comes of it.
        stale = [
            {**line, "sources": None}
            for name, line in before.items()
            if name in known and name not in kept
        ]
        ended = [before[AT_THE_END]] if AT_THE_END in before else []
        write_manifest(target, header, [*kept.values(), *stale, *ended])
        lines, failures = dict(kept), []
        pending = [job for job in jobs if job.name not in kept]
        with (
            (target / MANIFEST).open("a", encoding="utf-8") as manifest,
            _outcomes(pending, target, crew) as outcomes,
        ):
            for outcome in outcomes:
                if isinstance(outcome, str):
                    failures.append(outcome)
                    log.error(outcome)
                else:
                    earlier = before.get(outcome["job"], {"files": {}})["files"]
                    gone = earlier.keys() - outcome["files"].keys()
                    _remove(target, [{"files": {file: earlier[file] for file in gone}}])
                    lines[outcome["job"]] = outcome
                    append_line(manifest, outcome)
                progress(len(lines) + len(failures), len(jobs))
        if failures:
            raise DataError(
                f"{len(failures)} of {len(jobs)} could not be made: {some(failures)}; mend them "
                "and give the same command again, what is finished is kept"
            )
        ordered = [lines[job.name] for job in jobs]
        facts = {line["job"]: line["facts"] for line in ordered}
        end, remarks = _write_end(target, finish(facts), before.get(AT_THE_END), overwrite)
        write_manifest(target, header, [*ordered, end])
        return Production(
            target=target,
            made=len(pending),
            kept=len(kept),
            facts=facts,
            remarks=(*(remark for line in ordered for remark in line["remarks"]), *remarks),
        )
    finally:
        lock.release()


def _finished(target: Path, jobs: Sequence[Job], before: Mapping[str, Line]) -> dict[str, Line]:
    """The jobs that need not be done again.

    Raises:
        DataError: Files were changed since they were made.
    """
    finished, changed = {}, []
    for job in jobs:
        line = before.get(job.name)
        if line is None:
            continue
        hashes = {file: hash_or_none(target / file) for file in line["files"]}
        changed += [
            str(target / file)
            for file, now in hashes.items()
            if now not in {None, line["files"][file]} and not _is_source(target / file, job)
        ]
        if hashes == line["files"] and line["sources"] == _signatures(job):
            finished[job.name] = line
    if changed:
        raise DataError(
            f"{some(changed)} changed since it was made ({len(changed)} in all); choose another "
            "folder to keep that, or --overwrite"
        )
    return finished


def _is_source(path: Path, job: Job) -> bool:
    """Whether a file is a link to a source: who changed that did not change what was made."""
    return any(source.is_file() and path.samefile(source) for source in job.sources)


def _remove(target: Path, lines: Iterable[Line]) -> None:
    """Remove the files of jobs that there are no longer, unless somebody has changed them."""
    for line in lines:
        for file, sha256 in line["files"].items():
            if hash_or_none(target / file) == sha256:
                (target / file).unlink()


def _write_end(
    target: Path, contents: Mapping[str, str | bytes], before: Line | None, overwrite: bool
) -> tuple[Line, list[str]]:
    """Write lists, tables and descriptions; those that somebody has edited stay."""
    earlier = before["files"] if before else {}
    files, remarks = {}, []
    for file, content in contents.items():
        path = target / file
        data = content.encode() if isinstance(content, str) else content
        ours, now = hashlib.sha256(data).hexdigest(), hash_or_none(path)
        if now not in {None, ours, earlier.get(file)} and not overwrite:
            remarks.append(f"{path}: kept as you have changed it (--overwrite replaces it)")
            files[file] = earlier.get(file, ours)
            continue
        with whole_file(path) as unfinished:
            unfinished.write_bytes(data)
        files[file] = ours
    gone = {file: sha256 for file, sha256 in earlier.items() if file not in contents}
    _remove(target, [{"files": gone}])
    return {"job": AT_THE_END, "files": files, "sources": {}, "facts": {}, "remarks": []}, remarks


def _signatures(job: Job) -> dict[str, Any]:
    """Size in bytes and date of every source; a missing one makes the job fail by itself."""
    found: dict[str, Any] = {}
    for source in job.sources:
        if source.is_file():
            status = source.stat()
            found[str(source.resolve())] = [status.st_size, status.st_mtime_ns]
    if job.details is not None:
        details = json.dumps(job.details, sort_keys=True, default=str)
        found["details"] = hashlib.sha256(details.encode()).hexdigest()
    return found


def _do(job: Job, target: Path) -> Line | str:
    """Do a job: its line of the manifest, or what is wrong."""
    try:
        sources = _signatures(job)  # before reading them: a change from now on is found next time
        made = job.make(target)
        return {
            "job": job.name,
            "files": {file: hash_or_none(target / file) for file in made.files},
            "sources": sources,
            "facts": json.loads(json.dumps(dict(made.facts))),
            "remarks": list(made.remarks),
        }
    except ScribblesegError as error:
        return str(error)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        return f"{error.filename or job.name}: {error.strerror or error}"
    except Exception as error:
        error.add_note(f"while {job.name!r} was made")
        raise


def _do_in_process(job: Job, target: Path, here: str) -> Line | str:
    import cv2

    cv2.setNumThreads(1)  # the processes are the parallelism
    # Processes outlive a call and are elsewhere on other machines, but paths may be relative.
    if os.getcwd() != here:
        os.chdir(here)
    return _do(job, target)


@contextmanager
def _outcomes(jobs: Sequence[Job], target: Path, crew: Crew) -> Iterator[Iterator[Line | str]]:
    """What comes of the jobs, in the order in which they end."""
    if crew.backend == "processes" and (crew.workers == 1 or len(jobs) < 2):
        yield (_do(job, target) for job in jobs)
        return
    import joblib

    if crew.backend == "dask":
        with _cluster(crew.scheduler or "") as client, joblib.parallel_config("dask"):
            del client
            yield _parallel(jobs, target, n_jobs=-1)
    else:
        with joblib.parallel_config("loky"):
            yield _parallel(jobs, target, n_jobs=min(crew.workers, len(jobs)))


def _parallel(jobs: Sequence[Job], target: Path, *, n_jobs: int) -> Iterator[Line | str]:
    import joblib

    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    here = os.getcwd()
    outcomes = parallel(joblib.delayed(_do_in_process)(job, target, here) for job in jobs)
    try:
        yield from outcomes
    finally:
        outcomes.close()


@contextmanager
def _cluster(scheduler: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            f"--backend dask needs dask ({error}): pip install 'scribbleseg[dask]'"
        ) from None
    try:
        client = Client(scheduler, timeout=PATIENCE_S, set_as_default=True)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--scheduler: no dask scheduler at {scheduler!r} ({error})") from None
    try:
        yield client
    finally:
        client.close()


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

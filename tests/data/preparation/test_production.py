import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.data.preparation import production
from scribbleseg.data.preparation.manifest import MANIFEST
from scribbleseg.data.preparation.production import Crew, Job, Made, produce
from scribbleseg.errors import ConfigError, DataError, RunError


def double(source: Path, seconds: float, target: Path) -> Made:
    """Writes twice the number that stands in a file."""
    time.sleep(seconds)
    number = int(source.read_text())
    if number < 0:
        raise DataError(f"{source}: {number} is negative")
    with whole_file(target / "twice" / source.name) as unfinished:
        unfinished.write_text(str(2 * number))
    remarks = ("zero",) if number == 0 else ()
    return Made((f"twice/{source.name}",), {"number": number}, remarks)


def total(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {"total.txt": str(sum(fact["number"] for fact in facts.values()))}


def jobs_of(folder: Path, seconds: float = 0.0) -> list[Job]:
    return [
        Job(path.stem, partial(double, path, seconds), (path,)) for path in sorted(folder.iterdir())
    ]


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    folder = tmp_path / "numbers"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text(str(number))
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_files_facts_and_manifest(numbers: Path, tmp_path: Path, workers: int) -> None:
    target, seen = tmp_path / "out", []
    result = produce(
        target,
        jobs_of(numbers),
        settings={"factor": 2},
        finish=total,
        crew=Crew(workers),
        progress=lambda done, of: seen.append((done, of)),
    )
    assert (result.made, result.kept, result.remarks) == (6, 0, ("zero",))
    assert list(result.facts) == [str(number) for number in range(6)]
    assert sorted(content(target)) == [
        MANIFEST,
        "total.txt",
        *(f"twice/{number}.txt" for number in range(6)),
    ]
    assert (target / "total.txt").read_text() == "15"
    header, *lines = (json.loads(line) for line in (target / MANIFEST).read_text().splitlines())
    assert header["settings"] == {"factor": 2}
    assert [line["job"] for line in lines] == [*"012345", ""]
    assert seen[-1] == (6, 6)


def test_a_second_call_makes_nothing_again(numbers: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    produce(target, jobs_of(numbers), settings={}, finish=total)
    before = {path: path.stat().st_mtime_ns for path in (target / "twice").iterdir()}
    everything = content(target)
    result = produce(target, jobs_of(numbers), settings={}, finish=total)
    assert (result.made, result.kept) == (0, 6)
    assert {path: path.stat().st_mtime_ns for path in (target / "twice").iterdir()} == before
    assert content(target) == everything


def test_what_has_changed_is_made_again_and_what_is_gone_is_removed(
    numbers: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    produce(target, jobs_of(numbers), settings={}, finish=total)
    (numbers / "3.txt").write_text("300")
    (numbers / "4.txt").unlink()
    (target / "twice/5.txt").unlink()
    result = produce(target, jobs_of(numbers), settings={}, finish=total)
    assert (result.made, result.kept) == (2, 3)
    assert (target / "twice/3.txt").read_text() == "600"
    assert (target / "twice/5.txt").read_text() == "10"
    assert not (target / "twice/4.txt").exists()
    assert (target / "total.txt").read_text() == "308"


def test_a_file_changed_by_hand_is_not_replaced(numbers: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    produce(target, jobs_of(numbers), settings={})
    (target / "twice/2.txt").write_text("mine")
    (numbers / "2.txt").write_text("22")
    with pytest.raises(DataError, match=r"2\.txt changed since it was made .*--overwrite"):
        produce(target, jobs_of(numbers), settings={})
    assert (target / "twice/2.txt").read_text() == "mine"
    produce(target, jobs_of(numbers), settings={}, overwrite=True)
    assert (target / "twice/2.txt").read_text() == "44"


def test_an_edited_list_is_kept_and_said(numbers: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    produce(target, jobs_of(numbers), settings={}, finish=total)
    (target / "total.txt").write_text("mine")
    (numbers / "6.txt").write_text("6")
    for _ in range(2):
        result = produce(target, jobs_of(numbers), settings={}, finish=total)
        assert "kept as you have changed it" in result.remarks[-1]
        assert (target / "total.txt").read_text() == "mine"


def test_other_settings_need_a_word(numbers: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    produce(target, jobs_of(numbers), settings={"width": 1})
    with pytest.raises(RunError, match="made with other settings: width 1 -> 3"):
        produce(target, jobs_of(numbers), settings={"width": 3})
    assert produce(target, jobs_of(numbers), settings={"width": 3}, overwrite=True).made == 6


def test_a_folder_of_somebody_else_is_left_alone(numbers: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "thesis.tex").write_text("important")
    with pytest.raises(RunError, match="was not made by this command"):
        produce(target, jobs_of(numbers), settings={}, overwrite=True)
    assert content(target) == {"thesis.tex": b"important"}


@pytest.mark.parametrize("workers", [1, 2])
def test_one_bad_job_does_not_lose_the_others(numbers: Path, tmp_path: Path, workers: int) -> None:
    target = tmp_path / "out"
    (numbers / "2.txt").write_text("-2")
    (numbers / "4.txt").write_text("-4")
    with pytest.raises(DataError, match=r"2 of 6 could not be made: .*is negative"):
        produce(target, jobs_of(numbers), settings={}, finish=total, crew=Crew(workers))
    assert len(list((target / "twice").iterdir())) == 4
    assert not (target / "total.txt").exists()
    for number in (2, 4):
        (numbers / f"{number}.txt").write_text(str(number))
    result = produce(target, jobs_of(numbers), settings={}, finish=total, crew=Crew(workers))
    assert (result.made, result.kept) == (2, 4)


def test_a_full_disk_ends_it_and_keeps_what_is_done(
    numbers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    replace = Path.replace

    def full(self: Path, other: Path) -> Path:
        if other.name == "3.txt":
            raise OSError(errno.ENOSPC, "No space left on device", str(other))
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        produce(target, jobs_of(numbers), settings={}, finish=total)
    monkeypatch.undo()
    assert sorted(path.name for path in (target / "twice").iterdir()) == ["0.txt", "1.txt", "2.txt"]
    result = produce(target, jobs_of(numbers), settings={}, finish=total)
    assert (result.made, result.kept) == (3, 3)


SCRIPT = """
import sys
from pathlib import Path
from scribbleseg.data.preparation.production import Crew, produce
from tests.data.preparation.test_production import jobs_of, total
numbers, target, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
produce(target, jobs_of(numbers, 0.05), settings={}, finish=total, crew=Crew(workers))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_production_ends_as_a_clean_one(tmp_path: Path, workers: int) -> None:
    numbers = tmp_path / "numbers"
    numbers.mkdir()
    for number in range(40):
        (numbers / f"{number:02d}.txt").write_text(str(number))
    produce(tmp_path / "clean", jobs_of(numbers), settings={}, finish=total)

    target = tmp_path / "killed"
    command = [sys.executable, "-c", SCRIPT, str(numbers), str(target), str(workers)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[3], start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(target.glob("twice/*.txt"))) < 12:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with (target / MANIFEST).open("a") as manifest:
        manifest.write('{"job": "39", "fil')  # as a kill in the middle of a write leaves it
    (target / "twice/.05.txt.1.tmp").write_text("half")

    result = produce(target, jobs_of(numbers), settings={}, finish=total)
    assert 0 < result.kept < 40
    assert content(target) == content(tmp_path / "clean")


def test_a_cluster_makes_the_same_files(numbers: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    produce(tmp_path / "here", jobs_of(numbers), settings={}, finish=total)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        crew = Crew(backend="dask", scheduler=cluster.scheduler_address)
        produce(tmp_path / "there", jobs_of(numbers), settings={}, finish=total, crew=crew)
    assert content(tmp_path / "there") == content(tmp_path / "here")


def test_relative_paths_mean_the_place_of_the_call(
    numbers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Worker processes live on after a call, where they were started."""
    for place in ("one", "two"):
        folder = tmp_path / place
        shutil.copytree(numbers, folder / "numbers")
        monkeypatch.chdir(folder)
        produce(Path("out"), jobs_of(Path("numbers")), settings={}, crew=Crew(2))
        assert len(list((folder / "out/twice").iterdir())) == 6


@pytest.mark.parametrize(
    "options",
    [{"workers": 0}, {"backend": "dask"}, {"scheduler": "host:8786"}],
    ids=["no workers", "no address", "address without dask"],
)
def test_an_impossible_crew_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Crew(**options)


def test_a_cluster_that_is_not_there(
    numbers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(production, "PATIENCE_S", 1)
    crew = Crew(backend="dask", scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ConfigError, match="no dask scheduler"):
        produce(tmp_path / "out", jobs_of(numbers), settings={}, crew=crew)


@pytest.mark.parametrize("line", ["5", '{"job": "0"}', "[1]"])
def test_a_line_that_is_no_job_ends_the_manifest(numbers: Path, tmp_path: Path, line: str) -> None:
    target = tmp_path / "out"
    produce(target, jobs_of(numbers), settings={})
    header, *lines = (target / MANIFEST).read_text().splitlines()
    (target / MANIFEST).write_text("\n".join([header, lines[0], line, *lines[1:]]) + "\n")
    result = produce(target, jobs_of(numbers), settings={})
    assert (result.made, result.kept) == (5, 1)


@pytest.mark.parametrize("content", ['{"pid": 1}', "5", "", '{"pid": "a", "host": 3}'])
def test_a_damaged_lock_is_somebody_elses(numbers: Path, tmp_path: Path, content: str) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "lock").write_text(content)
    with pytest.raises(RunError, match="process unknown on unknown host"):
        produce(target, jobs_of(numbers), settings={})


def test_a_target_that_is_a_file(numbers: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(RunError, match="is a file"):
        produce(tmp_path / "out", jobs_of(numbers), settings={})


def test_an_interrupted_overwrite_goes_on_without_it(
    numbers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    produce(target, jobs_of(numbers), settings={"width": 1}, finish=total)
    done: list[int] = []

    def stop(count: int, of: int) -> None:
        done.append(count)
        if count == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        produce(target, jobs_of(numbers), settings={"width": 2}, overwrite=True, progress=stop)
    result = produce(target, jobs_of(numbers), settings={"width": 2}, finish=total)
    assert (result.made, result.kept) == (4, 2)

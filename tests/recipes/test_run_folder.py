import contextlib
import json
import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scribbleseg.annotation.folder_lock import FolderLock
from scribbleseg.errors import RunError
from scribbleseg.recipes import RunFolder, run_folder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "a")


def finished(folder: RunFolder) -> RunFolder:
    folder.open("new")
    folder.write_config("data: {}\n")
    folder.write_status("done")
    folder.checkpoints.mkdir()
    (folder.checkpoints / "last.ckpt").write_text("x")
    folder.close()
    return folder


def test_life_of_a_run(folder: RunFolder) -> None:
    folder.open("new")
    assert folder.lock.path.is_file()
    folder.write_status("running", config_sha256="abc")
    folder.write_status("done", steps=3)
    status = folder.status()
    assert (status["state"], status["config_sha256"], status["steps"]) == ("done", "abc", 3)
    folder.write_environment({"seed": 1})
    environment = json.loads((folder.path / "environment.json").read_text())
    assert environment["packages"]["torch"]
    assert environment["seed"] == 1
    folder.close()
    assert not folder.lock.path.exists()
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "environment.json",
        "status.json",
    ]


def test_an_existing_run_is_refused_unless_asked(folder: RunFolder) -> None:
    finished(folder)
    with pytest.raises(
        RunError, match=r"exists \(done\); continue it with --resume, replace it with --overwrite"
    ):
        folder.open("new")
    folder.open("resume")
    assert (folder.checkpoints / "last.ckpt").is_file()
    folder.close()
    folder.open("overwrite")
    assert not folder.checkpoints.exists()


def test_overwrite_deletes_nothing_but_runs(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="is not a run folder; --overwrite deletes run folders only"):
        folder.open("overwrite")
    assert (folder.path / "thesis.tex").exists()


def test_nothing_to_resume(folder: RunFolder) -> None:
    with pytest.raises(RunError, match="nothing to resume"):
        folder.open("resume")
    assert not folder.path.exists()


def test_a_run_that_was_killed_before_its_first_checkpoint_can_be_resumed(
    folder: RunFolder,
) -> None:
    folder.open("new")
    folder.write_config("data: {}\n")
    folder.close()
    folder.open("resume")
    assert folder.last is None
    folder.close()


def test_what_killed_processes_left_behind_is_removed(folder: RunFolder) -> None:
    finished(folder)
    for left in (folder.path / ".status.json.7.tmp", folder.checkpoints / ".last.ckpt.7.tmp"):
        left.write_text("half")
    folder.open("resume")
    assert not list(folder.path.rglob("*.tmp"))
    folder.close()


def test_a_process_killed_at_its_very_start_leaves_nothing_in_the_way(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder.lock.path.write_text(json.dumps({"pid": dead.pid, "host": socket.gethostname()}))
    (folder.path / f".config.yaml.{dead.pid}.tmp").write_text("seed_every")
    folder.open("new")
    assert [path.name for path in folder.path.iterdir()] == ["lock"]


def test_two_processes_do_not_share_a_folder(folder: RunFolder) -> None:
    finished(folder)
    folder.lock.path.write_text(json.dumps({"pid": os.getppid(), "host": socket.gethostname()}))
    for mode in ("new", "resume", "overwrite"):
        with pytest.raises(RunError, match=rf"process {os.getppid()} on .* works in this folder"):
            folder.open(mode)  # type: ignore[arg-type]
    folder.lock.path.write_text(json.dumps({"pid": 1, "host": "elsewhere"}))
    with pytest.raises(RunError, match="process 1 on elsewhere"):
        folder.open("resume")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_of_processes_that_find_a_lock_left_behind_one_takes_it(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    locks = [FolderLock(tmp_path / str(number)) for number in range(60)]
    for lock in locks:
        lock.folder.mkdir()
        lock.path.write_text(json.dumps({"pid": dead.pid, "host": socket.gethostname()}))
    context = multiprocessing.get_context("fork")
    together, taken = context.Barrier(3), context.Value("i", 0)

    def take() -> None:
        for lock in locks:
            together.wait(30)
            with contextlib.suppress(RunError):
                lock.acquire()
                with taken.get_lock():
                    taken.value += 1
        together.wait(30)  # until here all are alive
        os._exit(0)

    processes = [context.Process(target=take) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert taken.value == len(locks)


def test_a_folder_is_locked_where_the_system_has_no_flock(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)  # Windows
    folder.open("new")
    assert json.loads(folder.lock.path.read_text())["pid"] == os.getpid()
    folder.lock.path.write_text(json.dumps({"pid": os.getppid(), "host": socket.gethostname()}))
    with pytest.raises(RunError, match=f"process {os.getppid()} on"):
        folder.open("resume")


def test_the_lock_of_a_dead_process_is_taken_over(folder: RunFolder) -> None:
    finished(folder)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder.lock.path.write_text(json.dumps({"pid": dead.pid, "host": socket.gethostname()}))
    folder.open("resume")
    assert json.loads(folder.lock.path.read_text())["pid"] == os.getpid()


def test_metrics_of_splits_stand_beside_each_other(folder: RunFolder) -> None:
    folder.open("new")
    folder.add_metrics("val", {"miou": 0.5}, "table of val\n")
    folder.add_metrics("test", {"miou": 0.6}, "table of test\n")
    folder.add_metrics("val", {"miou": 0.7}, "new table of val\n")
    metrics = json.loads((folder.path / "metrics.json").read_text())
    assert {split: entry["miou"] for split, entry in metrics.items()} == {"val": 0.7, "test": 0.6}
    text = (folder.path / "metrics.txt").read_text()
    assert "new table of val" in text
    assert "table of test" in text


def test_checkpoints_by_name_or_path(folder: RunFolder, tmp_path: Path) -> None:
    finished(folder)
    assert folder.checkpoint("last") == folder.checkpoints / "last.ckpt"
    assert (
        folder.checkpoint(str(folder.checkpoints / "last.ckpt")) == folder.checkpoints / "last.ckpt"
    )
    with pytest.raises(
        RunError, match=r"best\.ckpt: no such checkpoint; checkpoints of this run: last"
    ):
        folder.checkpoint("best")


def test_a_checkout_that_does_not_know_our_files_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "env/run_folder.py"
    package.parent.mkdir()
    package.write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(run_folder, "__file__", str(package))
    assert run_folder._git_revision() is None
    for words in (["add", "env"], ["commit", "-q", "-m", "ours"]):
        subprocess.run([*git, *words], check=True)
    found = run_folder._git_revision()
    assert found is not None
    assert len(found) == 40

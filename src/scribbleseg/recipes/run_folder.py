"""The folder of a run: who works in it, what made it, how far it got."""

import hashlib
import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from scribbleseg.annotation.folder_lock import FolderLock
from scribbleseg.annotation.whole_file import is_unfinished, remove_unfinished, whole_file
from scribbleseg.errors import RunError
from scribbleseg.recipes.json_file import read_json

__all__ = ["COST_FILE", "STATUS_FILE", "RunFolder", "write_text"]

Mode = Literal["new", "resume", "overwrite"]
State = Literal["running", "done", "interrupted", "failed"]
PACKAGES = (
    "scribbleseg",
    "torch",
    "torchvision",
    "lightning",
    "timm",
    "segmentation-models-pytorch",
    "numpy",
    "opencv-python-headless",
    "pillow",
)
COST_FILE = "cost.json"
"""In a run folder once its training is complete: what it took."""

STATUS_FILE = "status.json"
"""In a run folder from the start: how far its training is."""

OURS = (STATUS_FILE, "config.yaml")
"""A folder that holds one of these is a run; nothing else is ever overwritten."""


class RunFolder:
    """One run's folder.

    Args:
        path: The folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FolderLock(path)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints ``last.ckpt`` and ``best.ckpt``."""
        return self.path / "checkpoints"

    @property
    def last(self) -> Path | None:
        """The checkpoint that a resumed run goes on from; None before the first one."""
        path = self.checkpoints / "last.ckpt"
        return path if path.is_file() else None

    @property
    def config(self) -> Path:
        """The complete, re-runnable config."""
        return self.path / "config.yaml"

    def checkpoint(self, name: str) -> Path:
        """The checkpoint ``last`` or ``best`` of this run, or the file a path names.

        Raises:
            RunError: There is no such checkpoint.
        """
        path = Path(name) if name.endswith(".ckpt") else self.checkpoints / f"{name}.ckpt"
        if not path.is_file():
            here = ", ".join(sorted(p.stem for p in self.checkpoints.glob("*.ckpt"))) or "none"
            raise RunError(f"{path}: no such checkpoint; checkpoints of this run: {here}")
        return path

    def check(self, mode: Mode) -> None:
        """Refuse a folder that cannot be used in this mode; nothing is changed.

        Raises:
            RunError: The folder is in use, exists without ``resume`` or ``overwrite``, has nothing
                to resume, or is no run.
        """
        self.lock.check()
        # A lock and an unfinished file are what a process leaves that was killed at its very start.
        occupied = self.path.is_dir() and any(
            path != self.lock.path and not is_unfinished(path) for path in self.path.iterdir()
        )
        if mode == "new" and occupied:
            state = self.status().get("state", "no status")
            raise RunError(
                f"{self.path}: exists ({state}); continue it with --resume, replace it with "
                "--overwrite, or choose another --run"
            )
        if (
            mode == "overwrite"
            and occupied
            and not any((self.path / name).is_file() for name in OURS)
        ):
            raise RunError(
                f"{self.path}: is not a run folder; --overwrite deletes run folders only"
            )
        if mode == "resume" and not self.config.is_file():
            raise RunError(
                f"{self.path}: nothing to resume, it is not the folder of a run; start one without "
                "--resume"
            )

    def open(self, mode: Mode) -> None:
        """Take the folder: check it, empty it if it is to be overwritten, and lock it.

        Raises:
            RunError: As `check`.
        """
        self.check(mode)
        if mode == "overwrite" and self.path.is_dir():
            shutil.rmtree(self.path)
        self.lock.acquire()
        remove_unfinished(self.path)
        remove_unfinished(self.checkpoints)

    def close(self) -> None:
        """Give the folder back."""
        self.lock.release()

    def status(self) -> dict[str, Any]:
        """Content of ``status.json``; empty if there is none."""
        return read_json(self.path / STATUS_FILE)

    def environment(self) -> dict[str, Any]:
        """Content of ``environment.json``; empty if there is none."""
        return read_json(self.path / "environment.json")

    def write_status(self, state: State, **facts: Any) -> None:
        """Record the state, with facts that stay until they are given anew."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        status = {**self.status(), "error": None, **facts, "state": state, "changed": now}
        write_text(self.path / STATUS_FILE, json.dumps(status, indent=2) + "\n")

    def write_config(self, text: str) -> str:
        """Store the config and return its hash."""
        write_text(self.config, text)
        return hashlib.sha256(text.encode()).hexdigest()

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        """Store versions, machine, command and git revision, with further facts."""
        environment = {
            "command": " ".join(["scribbleseg", *sys.argv[1:]]),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": {name: _version(name) for name in PACKAGES},
            "git_revision": _git_revision(),
            **facts,
        }
        write_text(self.path / "environment.json", json.dumps(environment, indent=2) + "\n")

    def add_metrics(self, split: str, metrics: Mapping[str, Any], text: str) -> None:
        """Store a split's scores in ``metrics.json`` and its tables in ``metrics.txt``."""
        path = self.path / "metrics.json"
        stored = read_json(path)
        stored[split] = {**metrics, "text": text}
        write_text(path, json.dumps(stored, indent=2) + "\n")
        write_text(
            self.path / "metrics.txt",
            "\n".join(f"{name}\n{entry['text']}" for name, entry in stored.items()),
        )


def write_text(path: Path, text: str) -> None:
    """Write a small file completely or not at all."""
    with whole_file(path, durable=True) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    """Revision of the checkout this package is imported from, None for an installed one."""
    here = Path(__file__)
    # An environment may lie in a checkout of somebody else's, which does not know our files.
    if not _git(here.parent, "ls-files", here.name):
        return None
    return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40")


def _git(folder: Path, *words: str) -> str | None:
    """What git prints; None if it prints nothing, or is not there."""
    try:
        run = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() or None

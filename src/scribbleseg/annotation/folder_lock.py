"""Two processes never work in one folder: a file that says who does."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scribbleseg.errors import RunError

__all__ = ["FolderLock"]


class FolderLock:
    """The file ``lock`` of a folder, with the process and host that work there.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "lock"

    def check(self) -> None:
        """Refuse a folder in which another process works.

        Raises:
            RunError: One does.
        """
        owner = self._owner()
        if owner is not None:
            raise RunError(
                f"{self.folder}: process {owner['pid']} on {owner['host']} works in this folder; "
                "wait for it, or choose another folder "
                f"(if that process is gone, delete {self.path})"
            )

    def acquire(self) -> None:
        """Take the folder.

        Raises:
            RunError: Another process works there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        owner = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
        with _one_at_a_time(self.folder):
            self.check()
            # Left by a process that is gone, as `check` has seen.
            self.path.unlink(missing_ok=True)
            try:
                with self.path.open("x", encoding="utf-8") as file:
                    file.write(owner)
            except FileExistsError:
                raise RunError(
                    f"{self.folder}: another process has just started in this folder"
                ) from None

    def release(self) -> None:
        """Give the folder back."""
        self.path.unlink(missing_ok=True)

    def _owner(self) -> dict[str, Any] | None:
        """Who holds the lock; None if nobody, or a process of this host that is gone."""
        try:
            owner = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            owner = None
        if not (
            isinstance(owner, dict)
            and isinstance(owner.get("pid"), int)
            and isinstance(owner.get("host"), str)
        ):
            return {"pid": "unknown", "host": "unknown host"}
        if owner["host"] == socket.gethostname() and not _is_alive(owner["pid"]):
            return None
        return owner


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Between the look at a lock that was left and the new one nobody else may look."""
    try:
        import fcntl
    except ImportError:  # Windows, where a folder cannot be opened either
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # file systems that cannot: the rest is as good as it is
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_alive(pid: int) -> bool:
    if pid == os.getpid():  # ours by chance, in a container that was started again
        return False
    if os.name == "nt":  # where signal 0 is Ctrl+C: who reads the message must look
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, but alive
        return True
    return True

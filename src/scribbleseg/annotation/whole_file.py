"""Files that are there completely or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["is_unfinished", "remove_unfinished", "whole_file"]


@contextmanager
def whole_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A new file beside ``path`` that takes its place when the block ends without an error.

    Until then, and for ever if the block fails or the process is killed, ``path`` is what it was.

    Args:
        path: The file to write; its folder is made.
        durable: Wait until the disk has it, so that it outlives a power cut too.

    Yields:
        The path to write to.

    Raises:
        OSError: It could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield unfinished
        if durable:
            _to_disk(unfinished)
        unfinished.replace(path)
        if durable:
            _to_disk(path.parent)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Whether a file is one that `whole_file` has begun and not put in its place."""
    return path.name.startswith(".") and path.suffix == ".tmp"


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left in a folder."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    # Windows cannot open a folder, and needs no flush of it either.
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

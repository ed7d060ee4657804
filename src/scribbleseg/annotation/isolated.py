"""Libraries that a damaged file can crash, in a process of their own.

HDF5 is written in C, and some damaged files make it write where it should not: the process dies,
or, worse, goes on with wrong memory. In another process either costs an error message.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from scribbleseg.errors import ConfigError, DataError

__all__ = ["isolated"]

MOST_SECONDS = 300
MOST_MEMORY = 6 << 30
"""Bytes of address space; where the operating system has such a limit."""


def isolated(path: Path, function: Callable[[Path], Any]) -> Any:
    """What a function returns for a file, computed in another process.

    Args:
        path: The file.
        function: Of a module; returns plain values, such as JSON holds.

    Raises:
        DataError: The function raised it, crashed, or took minutes.
        ConfigError: The function raised it.
    """
    command = [sys.executable, "-m", __name__, function.__module__, function.__name__, str(path)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=MOST_SECONDS,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DataError(
            f"{path}: not read within {MOST_SECONDS} s; it is damaged, save it again"
        ) from None
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").split()
        reason = " ".join(words)[-200:] or f"exit status {done.returncode}"
        raise DataError(
            f"{path}: the library that reads it crashed ({reason}); it is damaged, save it again"
        )
    answer = json.loads(done.stdout)
    for kind in (DataError, ConfigError):
        if kind.__name__ in answer:
            raise kind(answer[kind.__name__])
    return answer["value"]


def _main(module: str, function: str, path: str) -> None:
    """In the other process: print what the function returns, or what it raised."""
    if sys.platform != "win32":
        import resource

        _, highest = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, highest))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with redirect_stdout(sys.stderr):
            value = getattr(importlib.import_module(module), function)(Path(path))
        answer = {"value": value}
    except (DataError, ConfigError) as error:
        answer = {type(error).__name__: str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _main(*sys.argv[1:])

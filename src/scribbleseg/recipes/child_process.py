"""A command of ours in a process of its own, which is told to stop when we are."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import IO

from scribbleseg.recipes.in_recipe import IN_RECIPE

__all__ = ["run_in_child", "start_child"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1


def run_in_child(arguments: Sequence[str], *, output: IO[bytes] | None = None) -> int:
    """Run ``scribbleseg`` with these arguments; its exit code.

    The child has a process group of its own, so that Ctrl-C in a terminal reaches it once, through
    us, and not twice: a second signal would make it leave at once, without saving. If we are killed
    ourselves, it is asked to stop as well (Linux).

    Args:
        arguments: The command and its options.
        output: As for `start_child`.
    """
    child = start_child(arguments, output=output)

    def forward(signum: int, frame: FrameType | None) -> None:
        child.send_signal(signum)

    before = {signum: signal.signal(signum, forward) for signum in SIGNALS}
    try:
        code = child.wait()
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    return 128 - code if code < 0 else code


def start_child(
    arguments: Sequence[str], *, output: IO[bytes] | None = None, **variables: str
) -> subprocess.Popen[bytes]:
    """Start ``scribbleseg`` with these arguments, as `run_in_child`; nobody waits for it yet.

    Args:
        arguments: The command and its options.
        output: Where it prints, instead of to our own terminal.
        **variables: Of its environment, beside ours.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "scribbleseg", *arguments],
        process_group=0,
        env={**os.environ, IN_RECIPE: "1", **variables},
        stdout=output,
        stderr=output,
        preexec_fn=_prepare,
    )


def _prepare() -> None:
    """In the child, before it is a command of ours."""
    # Batch systems warn all processes of a job; who answers is the one that they have started.
    for signum in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(signum, signal.SIG_IGN)
    if sys.platform == "linux":
        _stop_with_parent()


def _stop_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

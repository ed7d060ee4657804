"""A command of ours in a process of its own, which is told to stop when we are."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from scribbleseg.recipes.in_recipe import IN_RECIPE

__all__ = ["run_in_child"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1


def run_in_child(arguments: Sequence[str]) -> int:
    """Run ``scribbleseg`` with these arguments; its exit code.

    The child has a process group of its own, so that Ctrl-C in a terminal reaches it once, through
    us, and not twice: a second signal would make it leave at once, without saving. If we are killed
    ourselves, it is asked to stop as well (Linux).
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "scribbleseg", *arguments],
        process_group=0,
        env={**os.environ, IN_RECIPE: "1"},
        preexec_fn=_stop_with_parent if sys.platform == "linux" else None,
    )

    def forward(signum: int, frame: FrameType | None) -> None:
        child.send_signal(signum)

    before = {signum: signal.signal(signum, forward) for signum in SIGNALS}
    try:
        code = child.wait()
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    return 128 - code if code < 0 else code


def _stop_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

"""What a process that loads data must be to the run it belongs to."""

import signal

import cv2
import torch

__all__ = ["begin_worker"]

SECONDS_TO_SAVE = 30
"""How long a worker outlives a SIGTERM; batch systems kill the whole run after as much."""


def begin_worker(worker: int) -> None:
    """Make a loader worker a good neighbour: one thread, and no exit before the step is done.

    Ctrl-C in a terminal, and SIGTERM from a batch system, reach every process of the run. The
    training process finishes its step first, for which it needs the workers; it ends them itself.

    Args:
        worker: Its number.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)  # more of them only wait for one another
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A parent that ends its workers with SIGTERM waits for them: they leave, only not at once.
    signal.signal(signal.SIGTERM, lambda signum, frame: signal.alarm(SECONDS_TO_SAVE))

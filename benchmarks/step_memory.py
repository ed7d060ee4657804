"""Memory of one step, for the benchmarks beside this file."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Step = Callable[[], object]


def step_megabytes(prepare: Callable[..., tuple[Step, Step]], *arguments: Any) -> float:
    """What one step needs above what its process held before, measured in a fresh process.

    On the host this is what the system says, Linux only; on a GPU what torch has allocated.

    Args:
        prepare: Function of a module that makes from ``arguments`` a small step, for whatever the
            first one loads, and the step that is measured.
        arguments: Of ``prepare``.

    Returns:
        MB, 2**20 bytes.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_megabytes, (prepare, arguments))


def _megabytes(prepare: Callable[..., tuple[Step, Step]], arguments: tuple[Any, ...]) -> float:
    torch.set_num_threads(1)
    small, step = prepare(*arguments)
    small()
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
        allocated = torch.cuda.memory_allocated()
        step()
        return (torch.cuda.max_memory_allocated() - allocated) / 2**20
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the highest value from now on
    step()
    return _resident("VmHWM") - before


def _resident(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024

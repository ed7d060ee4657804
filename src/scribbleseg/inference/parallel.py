"""How the work on one picture is shared by threads.

Compiled functions are serial and release the GIL; a call splits its pixels over Python threads of
its own. Numba's ``prange`` would be shorter, but its threads do not survive a fork (loader
workers), and two callers at a time end the process where it finds neither OpenMP nor TBB.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

__all__ = ["Each", "strips", "workers"]

Each = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], list[Any]]
"""Calls a function with each tuple of arguments, possibly several at a time."""

STRIPS, STRIP_PIXELS = 8, 8192  # parts of a picture, at most; pixels of a part, at least


def strips(pixels: int) -> list[tuple[int, int]]:
    """First pixel, and pixel after the last, of the parts that threads work on.

    They depend on nothing but the number of pixels, so that sums over them do not depend on the
    number of threads.

    >>> strips(20_000)
    [(0, 6667), (6667, 13333), (13333, 20000)]
    """
    count = min(STRIPS, -(-pixels // STRIP_PIXELS))
    return list(pairwise(round(pixels * part / count) for part in range(count + 1)))


@contextmanager
def workers(threads: int) -> Iterator[Each]:
    """Threads that live as long as the context: none is left behind that a fork could lose."""
    if threads == 1:
        yield lambda function, tasks: [function(*task) for task in tasks]
        return
    with ThreadPoolExecutor(threads) as pool:
        yield lambda function, tasks: list(pool.map(lambda task: function(*task), tasks))

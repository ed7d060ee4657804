"""Functions in machine code, by numba: compiled when they are first used, and kept on disk."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

__all__ = ["compiled"]

jit: Callable[..., Any] = njit  # its own type hides the function's
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """The function in machine code, kept beside the package or in the user's cache folder.

    >>> compiled(lambda x: x + 1)(1)
    2
    """
    kernel: Kernel
    try:
        kernel = jit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # neither folder may be written: compiled again in every process
        kernel = jit(nogil=True, error_model="numpy")(function)
    return kernel

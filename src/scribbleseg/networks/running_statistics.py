"""Batch norms that are used more than once in a training step."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

__all__ = ["kept_statistics"]


@contextmanager
def kept_statistics(net: nn.Module) -> Iterator[None]:
    """Inside, norms in training normalise by the batch as ever, but their statistics stay.

    For passes of something else than what is evaluated later.

    Args:
        net: Its norms are as before afterwards.

    >>> norm = nn.BatchNorm1d(1)
    >>> with kept_statistics(norm):
    ...     _ = norm(torch.tensor([[1.0], [3.0]]))
    >>> norm.running_mean
    tensor([0.])
    """
    norms = [m for m in net.modules() if isinstance(m, _NormBase) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True

"""The type of what makes networks, in options and configs."""

from collections.abc import Callable

from torch import nn

__all__ = ["NetworkFactory"]

NetworkFactory = Callable[[int, int], nn.Module]
"""Makes a network from (number of classes, channels of the picture); in a config a class path and
its other arguments."""

"""What is known about a published checkpoint: its names, and the network of ours that it fills."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scribbleseg.annotation.label_image import Color
from scribbleseg.exchange.description import NetworkSpec, Picture

__all__ = ["CheckpointLayout", "Dropped", "Reading", "Shapes"]

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor by its name."""


@dataclass(frozen=True)
class Dropped:
    """Tensors of the checkpoint that our network does not have, on purpose.

    Args:
        reason: Why nothing is lost.
    """

    reason: str


class Reading(NamedTuple):
    """What a checkpoint's shapes say about the network.

    Args:
        network: Network of ours and its arguments.
        num_classes: Classes predicted.
        in_channels: Channels of a picture, 3 or 1.
    """

    network: NetworkSpec
    num_classes: int
    in_channels: int


@dataclass(frozen=True)
class CheckpointLayout:
    """One published form of weights.

    Args:
        name: What ``--layout`` is given.
        source: Whose weights these are, for messages and the model card.
        required: Names by which it is recognised; all of them must be there.
        names: For every beginning of a name in the checkpoint the beginning of ours, or `Dropped`.
            None of them is the beginning of another.
        read: Network and sizes from the shapes; those of `required` are there.
        pictures: How pictures were fed to networks of 3 (RGB) and 1 (grey) channels.
        class_names: Names of the classes; used where the checkpoint has as many.
        palette: RGB of each of them.
        endings: Endings of names that are left out, whatever their beginning.
    """

    name: str
    source: str
    required: tuple[str, ...]
    names: Mapping[str, str | Dropped]
    read: Callable[[Shapes], Reading]
    pictures: Mapping[int, Picture]
    class_names: tuple[str, ...] = ()
    palette: tuple[Color, ...] = ()
    endings: Mapping[str, Dropped] = field(default_factory=dict)

    def recognises(self, shapes: Shapes) -> bool:
        """Whether a checkpoint has this form."""
        return all(name in shapes for name in self.required)

    def our_names(self, key: str) -> Sequence[str | Dropped]:
        """What the rules say about a name: exactly one answer, if the checkpoint is of this form.

        Args:
            key: Name in the checkpoint.
        """
        left_out = [reason for ending, reason in self.endings.items() if key.endswith(ending)]
        return left_out or [
            ours if isinstance(ours, Dropped) else ours + key.removeprefix(theirs)
            for theirs, ours in self.names.items()
            if key.startswith(theirs)
        ]

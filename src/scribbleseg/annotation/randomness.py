"""What is left to chance in simulated and perturbed scribbles.

Every stroke has a generator of its own, seeded by what it belongs to. So a result depends neither
on the number of processes nor on the order of the files, and a stroke not on the other strokes.
"""

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from scribbleseg.errors import ConfigError

__all__ = ["check_share", "stroke_generator", "surviving"]

Label = TypeVar("Label", int, str)


def stroke_generator(seed: int, image_id: str, *key: int) -> np.random.Generator:
    """The random generator of one stroke.

    Args:
        seed: Of the whole dataset, 0 or more.
        image_id: Enters as its CRC-32.
        key: What tells the stroke from the others of the picture, each 0 or more.

    Raises:
        ConfigError: The seed is negative.

    >>> [int(stroke_generator(0, image_id, 1).integers(100)) for image_id in ("a", "a", "b")]
    [62, 62, 74]
    """
    if seed < 0 or min(key, default=0) < 0:
        raise ConfigError(f"seed: {seed} or variant is negative; give whole numbers from 0 on")
    return np.random.default_rng([seed, zlib.crc32(image_id.encode()), *key])


def surviving(
    draws: Sequence[float], classes: Sequence[Label], drop: float, *, may_lose_classes: bool = False
) -> list[bool]:
    """Which strokes are left when each is removed with a probability.

    Args:
        draws: One uniform number in ``[0, 1)`` for each stroke.
        classes: Class of each stroke.
        drop: Probability of removal, 0..1.
        may_lose_classes: Whether the last stroke of a class may go. Otherwise, of a class that
            would lose all, the stroke with the highest number stays.

    >>> surviving([0.1, 0.2, 0.9], [1, 1, 2], 0.5)
    [False, True, True]
    """
    stays = [draw >= drop for draw in draws]
    if not may_lose_classes:
        for label in set(classes):
            own = [index for index, other in enumerate(classes) if other == label]
            if not any(stays[index] for index in own):
                stays[max(own, key=lambda index: draws[index])] = True
    return stays


def check_share(name: str, value: float) -> None:
    """Refuse a share that is none.

    Raises:
        ConfigError: It is not in 0..1.
    """
    if not 0 <= value <= 1:
        raise ConfigError(f"{name}: {value} is no share; expected 0..1")

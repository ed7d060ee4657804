"""The order of training samples, a function of the seed and the position in the run alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from scribbleseg.errors import ConfigError

__all__ = ["Draw", "EpochSampler"]

LABELLED = ("mask", "scribble")
"""Kinds of supervision from which strong halves are drawn."""


class Draw(NamedTuple):
    """A training sample: all that its randomness depends on, but for the seed."""

    epoch: int
    image: int
    """Its index in the dataset."""
    repeat: int = 0
    """How often the image has been drawn before in this epoch (and half)."""
    weak: bool | None = None
    """Whether it belongs to the weak half of its batch; None for batches without halves."""

    @property
    def entropy(self) -> tuple[int, ...]:
        """What its random numbers are seeded with, beside the seed of the run."""
        again = 2 * self.repeat + bool(self.weak)
        return (self.epoch, self.image, again) if again else (self.epoch, self.image)


class EpochSampler(Sampler[Draw]):
    """Yields the samples of an epoch, cut to full batches.

    An epoch is a permutation of all images, or, with ``ratios``, of as many in these shares. With
    ``weak_batch_size`` a batch has two halves: the strong one comes from the images that bring a
    mask or a scribble, as often as it takes; the weak one, from all images, makes the epoch. As in
    LPL (Wang et al., Pattern Recognition 2022).

    Every process gets every world_size-th sample, the same number each. Where an iteration starts
    is asked from ``position``, so that a resumed run goes on in the middle of an epoch, and with
    the right epoch whatever number the trainer gives it.

    Args:
        kinds: Supervision of each sample, in the dataset's order.
        batch_size: Samples of one process in one step, or in the strong half of it.
        seed: Seed of the order.
        ratios: Relative share of each kind; None to draw every sample once an epoch.
        weak_batch_size: Samples of one process in the weak half; None for no halves.
        rank: This process.
        world_size: Number of processes.
        position: Batches that this process has drawn in the whole run so far.
        limit: Batches of an epoch that are used: a share, or a number.

    >>> sampler = EpochSampler(["scribble"] * 5, batch_size=2, seed=0)
    >>> len(sampler), [draw.image for draw in sampler]
    (4, [2, 4, 3, 0])
    """

    def __init__(
        self,
        kinds: Sequence[str],
        *,
        batch_size: int,
        seed: int,
        ratios: Mapping[str, float] | None = None,
        weak_batch_size: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        position: Callable[[], int] = lambda: 0,
        limit: float = 1.0,
    ) -> None:
        self.indices = {
            kind: np.flatnonzero([k == kind for k in kinds]) for kind in sorted(set(kinds))
        }
        self.labelled = np.flatnonzero([kind in LABELLED for kind in kinds])
        self.images = len(kinds)
        self.ratios, self.seed = ratios, seed
        self.batch_size, self.weak_batch_size = batch_size, weak_batch_size
        self.rank, self.world_size = rank, world_size
        self.position = position
        halves = weak_batch_size is not None
        if halves:
            self._check_halves()
        option, size = "weak_batch_size" if halves else "batch_size", weak_batch_size or batch_size
        if size < 1:
            raise ConfigError(f"data.{option}: {size}; expected 1 or more")
        self.steps = self.images // (size * world_size)
        if self.steps == 0:
            raise ConfigError(
                f"data.{option}: {size} on {world_size} process(es) is more than the "
                f"{self.images} training images; lower it"
            )
        self.batches = (
            int(self.steps * limit) if isinstance(limit, float) else min(self.steps, limit)
        )
        if ratios is not None:
            unknown = set(ratios) - set(self.indices)
            unmentioned = set(self.indices) - set(ratios)
            if unknown or unmentioned or min(ratios.values()) <= 0:
                raise ConfigError(
                    f"data.sampling: got {dict(ratios)}; give a positive ratio for each of "
                    f"{', '.join(self.indices)} and no other"
                )

    def __iter__(self) -> Iterator[Draw]:
        """The samples of this process from its position to the end of the epoch."""
        epoch, drawn = divmod(self.position(), self.batches)
        rng = np.random.default_rng([self.seed, epoch])
        parts: list[tuple[NDArray[np.int64], int, bool | None]]
        if self.weak_batch_size is None:
            parts = [(self._order(rng), self.batch_size, None)]
        else:
            parts = [
                (self._strong_order(rng), self.batch_size, False),
                (rng.permutation(self.images), self.weak_batch_size, True),
            ]
        mine = [(self._mine(order, size), weak) for order, size, weak in parts]
        for step in range(drawn, self.steps):
            for numbers, weak in mine:
                for number in numbers[step].tolist():
                    repeat, image = divmod(number, self.images)
                    yield Draw(epoch, image, repeat, weak)

    def __len__(self) -> int:
        """Samples of this process in one epoch."""
        return self.steps * (self.batch_size + (self.weak_batch_size or 0))

    def _mine(self, order: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """What this process draws of an order: ``(steps, size)``."""
        total = self.steps * size * self.world_size
        return order[self.rank : total : self.world_size].reshape(self.steps, size)

    def _order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """An epoch: ``repeat * images + image`` of each sample."""
        if self.ratios is None:
            return rng.permutation(np.concatenate(list(self.indices.values())))
        total = self.steps * self.batch_size * self.world_size
        share = np.array([self.ratios[kind] for kind in self.indices])
        wanted = np.floor(np.cumsum(share) / share.sum() * total + 0.5).astype(int)
        parts = [
            np.concatenate(
                [
                    rng.permutation(pool) + repeat * self.images
                    for repeat in range(-(-count // len(pool)))
                ]
            )[:count]
            for pool, count in zip(self.indices.values(), np.diff(wanted, prepend=0), strict=True)
            if count
        ]
        return rng.permutation(np.concatenate(parts))

    def _strong_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The strong half of an epoch, as `_order`: the labelled images in turn, permuted."""
        total = max(self.images, self.steps * self.batch_size * self.world_size)
        repeat, place = np.divmod(np.arange(total), len(self.labelled))
        return rng.permutation(self.labelled[place] + repeat * self.images)

    def _check_halves(self) -> None:
        if (self.weak_batch_size or 0) < 1:
            raise ConfigError(
                f"data.weak_batch_size: {self.weak_batch_size}; give 1 or more, or null"
            )
        if self.ratios is not None:
            raise ConfigError(
                "data.sampling: the halves of a batch (data.weak_batch_size) have their own "
                "shares; set one of the two to null"
            )
        if not len(self.labelled):
            raise ConfigError(
                "data.weak_batch_size: no training image brings a mask or a scribble for the "
                "strong half; see data.supervision"
            )

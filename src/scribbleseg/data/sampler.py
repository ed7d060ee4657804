"""The order of training samples, a function of the seed and the position in the run alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from torch.utils.data import Sampler

from scribbleseg.errors import ConfigError

__all__ = ["EpochSampler"]


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields ``(epoch, index)`` pairs: one permutation an epoch, cut to full batches.

    Every process gets every world_size-th sample, the same number each. Where an iteration starts
    is asked from ``position``, so that a resumed run goes on in the middle of an epoch, and with
    the right epoch whatever number the trainer gives it.

    Args:
        kinds: Supervision of each sample, in the dataset's order.
        batch_size: Samples of one process in one step.
        seed: Seed of the order.
        ratios: Relative share of each kind; None to draw every sample once an epoch.
        rank: This process.
        world_size: Number of processes.
        position: Batches that this process has drawn in the whole run so far.
        limit: Batches of an epoch that are used: a share, or a number.

    >>> sampler = EpochSampler(["scribble"] * 5, batch_size=2, seed=0)
    >>> len(sampler), [index for _, index in sampler]
    (4, [2, 4, 3, 0])
    """

    def __init__(
        self,
        kinds: Sequence[str],
        *,
        batch_size: int,
        seed: int,
        ratios: Mapping[str, float] | None = None,
        rank: int = 0,
        world_size: int = 1,
        position: Callable[[], int] = lambda: 0,
        limit: float = 1.0,
    ) -> None:
        self.indices = {
            kind: np.flatnonzero([k == kind for k in kinds]) for kind in sorted(set(kinds))
        }
        self.ratios, self.seed, self.batch_size = ratios, seed, batch_size
        self.rank, self.world_size = rank, world_size
        self.position = position
        batches = len(kinds) // (batch_size * world_size)
        if batches == 0:
            raise ConfigError(
                f"data.batch_size: {batch_size} on {world_size} process(es) is more than the "
                f"{len(kinds)} training images"
            )
        self.total = batches * batch_size * world_size
        self.batches = int(batches * limit) if isinstance(limit, float) else min(batches, limit)
        if ratios is not None:
            unknown = set(ratios) - set(self.indices)
            unmentioned = set(self.indices) - set(ratios)
            if unknown or unmentioned or min(ratios.values()) <= 0:
                raise ConfigError(
                    f"data.sampling: got {dict(ratios)}; give a positive ratio for each of "
                    f"{', '.join(self.indices)} and no other"
                )

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The samples of this process from its position to the end of the epoch."""
        epoch, drawn = divmod(self.position(), self.batches)
        mine = self._order(epoch)[self.rank : self.total : self.world_size]
        yield from ((epoch, int(index)) for index in mine[drawn * self.batch_size :])

    def __len__(self) -> int:
        """Samples of this process in one epoch."""
        return self.total // self.world_size

    def _order(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        rng = np.random.default_rng([self.seed, epoch])
        if self.ratios is None:
            return rng.permutation(np.concatenate(list(self.indices.values())))
        share = np.array([self.ratios[kind] for kind in self.indices])
        wanted = np.floor(np.cumsum(share) / share.sum() * self.total + 0.5).astype(int)
        parts = [
            np.concatenate([rng.permutation(pool) for _ in range(-(-count // len(pool)))])[:count]
            for pool, count in zip(self.indices.values(), np.diff(wanted, prepend=0), strict=True)
            if count
        ]
        return rng.permutation(np.concatenate(parts))

from collections import Counter
from typing import Any

import pytest

from scribbleseg.data import EpochSampler
from scribbleseg.errors import ConfigError

TEN = ["scribble"] * 10


def indices(sampler: EpochSampler) -> list[int]:
    return [index for _, index in sampler]


def at(position: int, **options: Any) -> EpochSampler:
    return EpochSampler(TEN, **{"batch_size": 2, "seed": 1, **options}, position=lambda: position)


def test_an_epoch_is_a_permutation_cut_to_full_batches() -> None:
    sampler = at(0, batch_size=4)
    assert len(sampler) == 8
    assert len(set(indices(sampler))) == 8
    assert [epoch for epoch, _ in at(2, batch_size=4)] == [1] * 8


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first = indices(at(0))
    assert indices(at(0)) == first == indices(at(0, batch_size=5))
    assert indices(at(5)) != first
    assert indices(at(0, seed=2)) != first


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_an_epoch_without_overlap(world_size: int) -> None:
    whole = indices(EpochSampler(TEN, batch_size=1, seed=3))
    parts = [
        indices(EpochSampler(TEN, batch_size=1, seed=3, rank=r, world_size=world_size))
        for r in range(world_size)
    ]
    assert len({len(part) for part in parts}) == 1
    together = [index for step in zip(*parts, strict=True) for index in step]
    assert together == whole[: len(together)]


@pytest.mark.parametrize("drawn", range(5))
def test_a_resumed_run_goes_on_in_the_middle_of_the_epoch(drawn: int) -> None:
    epoch_4 = list(at(20))
    assert list(at(20 + drawn)) == epoch_4[2 * drawn :]


@pytest.mark.parametrize(("limit", "batches"), [(3, 3), (0.4, 2), (99, 5), (1.0, 5)])
def test_limited_epochs(limit: float, batches: int) -> None:
    assert next(iter(at(2 * batches, limit=limit))) == next(iter(at(10)))
    assert next(iter(at(2 * batches + 1, limit=limit))) == list(at(10))[2]


def test_ratios() -> None:
    kinds = ["mask"] * 4 + ["tags"] * 36
    sampler = EpochSampler(kinds, batch_size=4, seed=0, ratios={"mask": 1, "tags": 1})
    drawn = indices(sampler)
    shares = Counter(kinds[index] for index in drawn)
    assert shares == {"mask": 20, "tags": 20}
    masks = Counter(index for index in drawn if kinds[index] == "mask")
    assert set(masks.values()) == {5}  # every mask equally often
    assert len({index for index in drawn if kinds[index] == "tags"}) == 20  # none twice
    assert (
        kinds[drawn[0]] != kinds[drawn[1]]
        or kinds[drawn[1]] != kinds[drawn[2]]
        or drawn != sorted(drawn)
    )


@pytest.mark.parametrize(
    "ratios", [{"mask": 1.0}, {"scribble": 1.0, "mask": 1.0}, {"scribble": 0.0}]
)
def test_ratios_must_name_every_kind(ratios: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"data\.sampling: .*positive ratio for each of scribble"):
        EpochSampler(TEN, batch_size=2, seed=0, ratios=ratios)


def test_more_than_there_is() -> None:
    with pytest.raises(
        ConfigError,
        match=r"data\.batch_size: 6 on 2 process\(es\) is more than the 10 training images",
    ):
        EpochSampler(TEN, batch_size=6, seed=0, world_size=2)

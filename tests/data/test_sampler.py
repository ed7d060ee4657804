from collections import Counter
from typing import Any

import numpy as np
import pytest
from tests.golden_cases import Case, golden

from scribbleseg.data import EpochSampler
from scribbleseg.data.sampler import Draw
from scribbleseg.errors import ConfigError

TEN = ["scribble"] * 10


def indices(sampler: EpochSampler) -> list[int]:
    return [draw.image for draw in sampler]


def at(position: int, **options: Any) -> EpochSampler:
    return EpochSampler(TEN, **{"batch_size": 2, "seed": 1, **options}, position=lambda: position)


def test_an_epoch_is_a_permutation_cut_to_full_batches() -> None:
    sampler = at(0, batch_size=4)
    assert len(sampler) == 8
    assert len(set(indices(sampler))) == 8
    assert [draw.epoch for draw in at(2, batch_size=4)] == [1] * 8
    assert {draw.repeat for draw in sampler} == {0}
    assert {draw.weak for draw in sampler} == {None}


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
    # Each time it is another sample.
    assert len({draw.entropy for draw in sampler}) == len(drawn)
    assert {draw.repeat for draw in sampler if draw.image == 0} == set(range(5))
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
    with pytest.raises(ConfigError, match=r"data\.batch_size: 0; expected 1 or more"):
        EpochSampler(TEN, batch_size=0, seed=0)


MIXED = ["tags"] * 3 + ["scribble", "mask"] + ["tags"] * 6
"""Image 3 and 4 are labelled."""


def halves(position: int = 0, **options: Any) -> EpochSampler:
    sizes = {"batch_size": 3, "weak_batch_size": 2}
    return EpochSampler(MIXED, **{"seed": 1, **sizes, **options}, position=lambda: position)


def batches(sampler: EpochSampler) -> list[list[Draw]]:
    draws = list(sampler)
    size = sampler.batch_size + (sampler.weak_batch_size or 0)
    return [draws[start : start + size] for start in range(0, len(draws), size)]


def test_a_batch_is_a_strong_half_and_a_weak_half() -> None:
    epoch = batches(halves())
    assert len(epoch) == 5  # 11 images, two at a time
    assert len(halves()) == 25
    for batch in epoch:
        assert [draw.weak for draw in batch] == [False] * 3 + [True] * 2
        assert {draw.image for draw in batch[:3]} <= {3, 4}
    strong = [draw for batch in epoch for draw in batch[:3]]
    weak = [draw for batch in epoch for draw in batch[3:]]
    assert len({draw.image for draw in weak}) == 10  # none twice
    # None of an image's samples is drawn with the numbers of another one.
    assert len({draw.entropy for draw in strong + weak}) == 25
    assert [draw.image for batch in batches(halves(5)) for draw in batch] != [
        draw.image for batch in epoch for draw in batch
    ]


@golden("lpl", "order_")
def test_the_order_is_the_published_one(case: Case) -> None:
    strong, images = len(case["strong"]), len(case["ordered"])
    kinds = ["mask"] * strong + ["tags"] * (images - strong)
    sampler = EpochSampler(kinds, batch_size=1, weak_batch_size=1, seed=0)
    drawn = list(sampler)
    assert sorted(draw.image for draw in drawn if not draw.weak) == sorted(
        case["strong_epoch_index"]
    )
    assert sorted(draw.image for draw in drawn if draw.weak) == list(range(images))


def test_with_scribbles_everywhere_both_halves_are_permutations() -> None:
    sampler = EpochSampler(TEN, batch_size=5, weak_batch_size=5, seed=0)
    for weak in (False, True):
        half = [draw for draw in sampler if draw.weak is weak]
        assert sorted(draw.image for draw in half) == list(range(10))
        assert {draw.repeat for draw in half} == {0}
    assert len({draw.entropy for draw in sampler}) == 20


@pytest.mark.parametrize("drawn", range(5))
def test_halves_are_resumed_in_the_middle_of_the_epoch(drawn: int) -> None:
    assert batches(halves(20 + drawn)) == batches(halves(20))[drawn:]
    assert batches(halves(20))[0][0].epoch == 4


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_both_halves_without_overlap(world_size: int) -> None:
    options = {"batch_size": 1, "weak_batch_size": 1, "world_size": world_size}
    parts = [list(halves(rank=rank, **options)) for rank in range(world_size)]
    assert {len(part) for part in parts} == {11 // world_size * 2}
    together = [draw for part in parts for draw in part]
    assert len({draw.entropy for draw in together}) == len(together)
    assert len({draw.image for draw in together if draw.weak}) == 11 // world_size * world_size


@pytest.mark.parametrize(("limit", "number"), [(3, 3), (0.4, 2), (99, 5)])
def test_limited_epochs_of_halves(limit: float, number: int) -> None:
    assert next(iter(halves(number, limit=limit))) == next(iter(halves(5)))


def test_a_large_strong_half_and_a_small_one() -> None:
    for size in (1, 30):
        strong = [draw for draw in halves(batch_size=size) if not draw.weak]
        assert len(strong) == 5 * size
        images, counts = np.unique([draw.image for draw in strong], return_counts=True)
        assert images.tolist() == [3, 4]
        assert abs(counts[0] - counts[1]) <= max(2, size % 2)


def test_halves_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"data\.sampling: the halves of a batch .* own shares"):
        halves(ratios={"mask": 1, "scribble": 1, "tags": 1})
    with pytest.raises(ConfigError, match=r"data\.weak_batch_size: no training image brings"):
        EpochSampler(["tags"] * 4, batch_size=1, weak_batch_size=1, seed=0)
    with pytest.raises(ConfigError, match=r"data\.weak_batch_size: 12 on 1 process\(es\) is more"):
        halves(weak_batch_size=12)
    with pytest.raises(ConfigError, match=r"data\.weak_batch_size: 0; give 1 or more, or null"):
        halves(weak_batch_size=0)

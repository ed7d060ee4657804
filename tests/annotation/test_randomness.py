import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scribbleseg.annotation.randomness import check_share, stroke_generator, surviving
from scribbleseg.errors import ConfigError

strokes = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 3)), min_size=1, max_size=12
)


def test_every_part_of_the_key_matters() -> None:
    keys = [(0, "a", 1, 2), (1, "a", 1, 2), (0, "b", 1, 2), (0, "a", 2, 1), (0, "a", 1)]
    draws = {stroke_generator(seed, name, *key).random() for seed, name, *key in keys}
    assert len(draws) == len(keys)


@pytest.mark.parametrize("key", [(-1, 0), (0, -1)])
def test_negative_seeds_are_refused(key: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="negative"):
        stroke_generator(key[0], "", key[1])


@given(strokes, st.floats(0, 1))
def test_every_class_keeps_a_stroke(found: list[tuple[float, int]], drop: float) -> None:
    draws, classes = zip(*found, strict=True)
    stays = surviving(draws, classes, drop)
    left = {label for label, stay in zip(classes, stays, strict=True) if stay}
    assert left == set(classes)
    may_go = surviving(draws, classes, drop, may_lose_classes=True)
    assert may_go == [draw >= drop for draw in draws]
    assert all(stay or not other for stay, other in zip(stays, may_go, strict=True))


def test_the_share_of_dropped_strokes_is_the_probability() -> None:
    draws = np.random.default_rng(0).random(10_000).tolist()
    assert np.mean(surviving(draws, [1] * 10_000, 0.3)) == pytest.approx(0.7, abs=0.015)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_only_shares_are_shares(value: float) -> None:
    with pytest.raises(ConfigError, match=r"drop: .* expected 0\.\.1"):
        check_share("drop", value)

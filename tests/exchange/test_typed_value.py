import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scribbleseg.errors import ConfigError
from scribbleseg.exchange import ModelDescription, NetworkSpec, Origin, Picture, SplitScores
from scribbleseg.exchange.typed_value import fitted, is_plain
from scribbleseg.inference import Inference

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
SHARE = st.floats(0, 1)


@settings(max_examples=40)
@given(JSON)
def test_json_of_any_form_is_refused_at_worst(value: object) -> None:
    for kind in (ModelDescription, Inference, tuple[int, int] | None, Mapping[str, float]):
        with contextlib.suppress(ValueError, ConfigError):
            fitted(value, kind, "x")


@given(
    names=st.lists(st.text(), min_size=1, max_size=4, unique=True),
    widths=st.lists(st.integers(1, 99)),
    mean=SHARE,
    scales=st.lists(st.floats(0.1, 4), min_size=1, max_size=3),
    score=st.none() | SHARE,
)
def test_descriptions_survive_json(
    names: list[str], widths: list[int], mean: float, scales: list[float], score: float | None
) -> None:
    model = ModelDescription(
        NetworkSpec("PlainUNet", {"widths": widths}),
        tuple(names),
        picture=Picture("L", (mean,), (0.5,), (32, 48)),
        inference=Inference(tuple(scales), window=(64, 64)),
        origin=Origin(scores={"test": SplitScores(3, score, 0.5, (score,) * len(names))}),
    )
    text = json.dumps(asdict(model), allow_nan=False)
    assert json.dumps(asdict(fitted(json.loads(text), ModelDescription, "model"))) == text


@dataclass(frozen=True)
class Point:
    x: int
    label: str = "none"


def test_types() -> None:
    assert fitted({"x": 1}, Point, "p") == Point(1)
    assert fitted([[1, 2.5], [3, 4]], Sequence[tuple[float, float]], "p") == (
        (1.0, 2.5),
        (3.0, 4.0),
    )
    assert fitted(None, int | None, "p") is None
    assert fitted("a", Literal["a", "b"], "p") == "a"


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (True, int, "x: True is not int"),
        (1, bool, "x: 1 is not bool"),
        (True, float, "x: True is not float"),
        (float("inf"), float, "x: inf is not float"),
        (1, Literal[True, "a"], "x: 1 is not one of True, a"),
        ("ab", Sequence[str], "x: ab is not"),
        ([1], tuple[int, int], r"x: \[1\] is not tuple\[int, int\]"),
        ([1, "2"], list[int], r"x\[1\]: 2 is not int"),
        ("a", int | None, r"x: a is not int \| None"),
        ({"x": "y" * 99}, Point, r"x\.x: y{57}\.\.\. is not int"),
        ({}, Point, "x: missing: x"),
        ({"x": 1, "z": 2}, Point, "x: unknown: z"),
        ([], Point, r"x: \[\] is not an object"),
        ({"class_path": "os.system"}, Any, "x: .* is not"),
    ],
)
def test_what_does_not_fit(value: object, kind: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(value, kind, "x")


def test_plain_values() -> None:
    assert is_plain([None, True, 1, 1.5, "a", [[2]]])
    assert not is_plain({"a": 1})
    assert not is_plain([object()])

"""Values of a JSON file as the types that a dataclass or a constructor declares.

Nothing is converted that would change its meaning, nothing is imported, and unknown names are
refused: this is how files of strangers are read.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["fitted", "is_plain"]


def is_plain(value: object) -> bool:
    """Whether a value is a number, string, bool, None, or a list of these.

    >>> is_plain([1, "a", [None]]), is_plain({"class_path": "os.system"})
    (True, False)
    """
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return value is None or type(value) in {bool, int, float, str}


def fitted(value: Any, kind: Any, place: str) -> Any:
    """A JSON value as a type: objects become dataclasses, lists tuples, 1 is a float too.

    Args:
        value: What `json.loads` returned.
        kind: A type annotation: dataclass, Literal, union, tuple, list, Sequence, Mapping, or one
            of bool, int, float, str and None.
        place: Dotted name of the value, for messages.

    Raises:
        ValueError: It does not fit; the message names the place, the value and the type.

    >>> fitted([1, 2], tuple[float, ...], "mean")
    (1.0, 2.0)
    """
    if dataclasses.is_dataclass(kind):
        return _dataclass(value, kind, place)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return _union(value, parts, kind, place)
    if origin is Literal and any(value == part and type(value) is type(part) for part in parts):
        return value
    if origin in {tuple, list, Sequence} and isinstance(value, list):
        kinds = parts if origin is tuple and Ellipsis not in parts else parts[:1] * len(value)
        if len(kinds) == len(value):
            items = enumerate(zip(value, kinds, strict=True))
            return tuple(fitted(item, own, f"{place}[{index}]") for index, (item, own) in items)
    if origin is Mapping and isinstance(value, dict):
        return {name: fitted(item, parts[1], f"{place}.{name}") for name, item in value.items()}
    if kind is float and type(value) in {int, float} and math.isfinite(value):
        return float(value)
    if kind in {bool, int, str, NoneType} and type(value) is kind:
        return value
    if kind is Any and is_plain(value):
        return value
    raise ValueError(f"{place}: {_short(value)} is not {_name(kind)}")


def _dataclass(value: Any, kind: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: {_short(value)} is not an object")
    hints = get_type_hints(kind)
    fields = dataclasses.fields(kind)
    # What has a default may be missing: files of versions that did not know it yet.
    needed = {
        field.name
        for field in fields
        if field.default is field.default_factory is dataclasses.MISSING
    }
    unknown = value.keys() - {field.name for field in fields}
    for problem, names in (("unknown", unknown), ("missing", needed - value.keys())):
        if names:
            raise ValueError(f"{place}: {problem}: {_short(', '.join(sorted(names)))}")
    return kind(
        **{name: fitted(item, hints[name], f"{place}.{name}") for name, item in value.items()}
    )


def _union(value: Any, parts: Sequence[Any], kind: Any, place: str) -> Any:
    for part in parts:
        try:
            return fitted(value, part, place)
        except ValueError:
            continue
    raise ValueError(f"{place}: {_short(value)} is not {_name(kind)}")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)

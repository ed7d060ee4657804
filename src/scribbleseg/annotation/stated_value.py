"""Values that an annotation file states: checked, and named in the message where they are wrong."""

import math
import re
import reprlib
from pathlib import Path
from typing import Any, TypeVar

from scribbleseg.annotation.image_file import image_size
from scribbleseg.errors import DataError

__all__ = [
    "MOST_PIXELS",
    "UNPRINTABLE",
    "agreed_size",
    "checked_size",
    "expect",
    "number",
    "shown",
    "whole_number",
]

T = TypeVar("T")

MOST_PIXELS = 178_956_970
"""Of a picture: the limit of Pillow."""

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that are not of a name: control characters, line ends, halves of characters."""


def shown(value: Any) -> str:
    """A value as it is shown in a message: never long, whatever it is.

    >>> shown("x" * 1000), shown(None)
    ("'xxxxxxxxxxxx...xxxxxxxxxxxxx'", 'None')
    """
    return reprlib.repr(value)


KINDS: dict[type, str] = {dict: "key: value pairs", list: "a list", str: "a text"}


def expect(where: str, value: Any, kind: type[T]) -> T:
    """The value of a JSON file, if it is what it should be.

    Args:
        where: File and key, for the message.
        value: What the file holds; None if it does not hold the key.
        kind: ``dict``, ``list`` or ``str``.

    Raises:
        DataError: It is something else.

    >>> expect("a.json: shapes", [1, 2], list)
    [1, 2]
    """
    if not isinstance(value, kind):
        raise DataError(f"{where} is {shown(value)}; expected {KINDS[kind]}")
    return value


def number(where: str, text: Any) -> float:
    """A finite number.

    Args:
        where: File and what is read, for the message.
        text: A number, or a text that is one.

    Raises:
        DataError: It is missing, no number, NaN or infinite.
    """
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value) or isinstance(text, bool):
        raise DataError(f"{where} is {shown(text)}; expected a number")
    return value


def whole_number(where: str, text: Any, low: int, high: int) -> int:
    """A whole number within limits.

    Args:
        where: File and what is read, for the message.
        text: A number, or a text that is one.
        low: Smallest value.
        high: Largest value.

    Raises:
        DataError: It is no whole number, or outside.
    """
    value = number(where, text)
    if value != int(value) or not low <= value <= high:
        raise DataError(f"{where} is {shown(text)}; expected a whole number in {low}..{high}")
    return int(value)


def checked_size(where: str, height: Any, width: Any) -> tuple[int, int]:
    """Height and width in pixels that a file states.

    Raises:
        DataError: They are no whole numbers, zero, or of more pixels than a picture may have.
    """
    size = (
        whole_number(f"{where}: height", height, 1, MOST_PIXELS),
        whole_number(f"{where}: width", width, 1, MOST_PIXELS),
    )
    if size[0] * size[1] > MOST_PIXELS:
        raise DataError(
            f"{where}: {size[1]}x{size[0]} pixels; at most {MOST_PIXELS} are read, cut the picture "
            "into tiles"
        )
    return size


def agreed_size(
    where: str, stated: tuple[int, int] | None, picture: Path | None
) -> tuple[int, int]:
    """Height and width of a picture, on which its file and its annotation agree.

    Args:
        where: File that states the size, for the message.
        stated: What it states, if it does.
        picture: The picture, if it is there.

    Raises:
        DataError: They contradict each other, or neither is known.
    """
    if picture is None:
        if stated is None:
            raise DataError(
                f"{where}: says no size, and its picture was not found; give the folder of the "
                "pictures"
            )
        return stated
    actual = image_size(picture)
    if stated is not None and stated != actual:
        turned = "; was the picture turned later?" if stated == actual[::-1] else ""
        raise DataError(
            f"{where}: drawn on {stated[1]}x{stated[0]} pixels, but {picture} has "
            f"{actual[1]}x{actual[0]}{turned}"
        )
    return actual

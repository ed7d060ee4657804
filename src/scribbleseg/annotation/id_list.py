"""Lists of image ids."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scribbleseg.errors import DataError

__all__ = ["read_list", "read_utf8", "some"]


def read_list(path: Path) -> list[str]:
    """The ids of a list file: one a line, UTF-8, empty lines ignored.

    Raises:
        DataError: The file is empty, not UTF-8 or names an id twice.
    """
    names = [line.strip() for line in read_utf8(path).splitlines() if line.strip()]
    if not names:
        raise DataError(f"{path}: the list is empty; write one image id a line")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(f"{path}: {some(twice)} listed more than once; remove the copies")
    return names


def read_utf8(path: Path) -> str:
    """The text of a file, without the mark that some editors put at its start.

    Raises:
        DataError: It is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not UTF-8; save the list as UTF-8"
        ) from None


def some(items: Sequence[str], most: int = 3) -> str:
    """The first few of a long enumeration, and how many there are.

    >>> some(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")

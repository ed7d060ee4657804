"""How many pages a TIFF file has, before a library walks through them.

Pages are a chain of offsets, and a damaged file can hold a chain without an end.
"""

import struct
from pathlib import Path
from typing import BinaryIO

from scribbleseg.errors import DataError

__all__ = ["count_tiff_pages"]

MOST_PAGES = 100_000
BYTE_ORDERS = {b"II": "<", b"MM": ">"}

# The number of entries, the size of an entry, and the offset of the next page.
CLASSIC = ("H", 12, "I")
BIG = ("Q", 20, "Q")


def count_tiff_pages(path: Path) -> int:
    """Number of pages of a TIFF or BigTIFF file.

    Raises:
        DataError: It is no TIFF file, its chain of pages leads out of the file or in a circle, or
            there are more than 100,000.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            return _count(path, file, size)
        except struct.error:
            raise DataError(
                f"{path}: the file ends within a page; copy or export it again"
            ) from None


def _count(path: Path, file: BinaryIO, size: int) -> int:
    order = BYTE_ORDERS.get(file.read(2))
    if order is None:
        raise DataError(f"{path}: not a TIFF file ({size} bytes); export it again as TIFF")
    (version,) = _unpack(file, order + "H")
    if version not in {42, 43}:
        raise DataError(f"{path}: TIFF version {version}; expected 42 or 43 (BigTIFF)")
    count_form, entry_size, offset_form = CLASSIC if version == 42 else BIG
    if version == 43:
        file.seek(8)
    (offset,) = _unpack(file, order + offset_form)
    seen: set[int] = set()
    while offset:
        if offset in seen or offset >= size or len(seen) >= MOST_PAGES:
            raise DataError(
                f"{path}: page {len(seen) + 1} is said to begin at byte {offset}: the pages lead "
                f"in a circle, out of the file ({size} bytes), or are more than {MOST_PAGES}"
            )
        seen.add(offset)
        file.seek(offset)
        (entries,) = _unpack(file, order + count_form)
        if entries * entry_size > size:
            raise DataError(
                f"{path}: a page has {entries} entries, more than the file has room for"
            )
        file.seek(entries * entry_size, 1)
        (offset,) = _unpack(file, order + offset_form)
    return len(seen)


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))

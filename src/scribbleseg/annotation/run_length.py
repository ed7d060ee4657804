"""Masks as run lengths, in the dialects of COCO, CVAT and Label Studio.

In the middle stands one form: the lengths of the runs of unpainted and painted pixels in turn, row
by row, beginning with unpainted ones. CVAT writes it as it is. COCO counts column by column (so
its runs are those of the transposed mask) and packs them into a text. Label Studio packs all four
channels of a picture into a stream of bits, the *rle-pack* of thi.ng.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.stated_value import shown
from scribbleseg.errors import DataError

__all__ = [
    "brush_bytes",
    "brush_runs",
    "coco_text",
    "coco_text_runs",
    "listed_runs",
    "mask_runs",
    "painted_rows",
]

Runs = NDArray[np.int64]
Mask = NDArray[np.bool_]


def mask_runs(mask: Mask) -> Runs:
    """The runs of a mask, row by row, beginning with unpainted pixels.

    Args:
        mask: ``(H, W)`` bool, at least one pixel.

    >>> mask_runs(np.array([[True, True], [False, True]])).tolist()
    [0, 2, 1, 1]
    """
    flat = mask.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    runs = np.diff(ends, prepend=0)
    return np.insert(runs, 0, 0) if flat[0] else runs


def painted_rows(where: str, runs: Runs, height: int, width: int) -> tuple[int, Mask]:
    """The rows of a mask from the first to the last one with paint.

    Args:
        where: File and mask, for the message.
        runs: Of a mask of this size, beginning with unpainted pixels.
        height: Of the mask in pixels.
        width: Of the mask in pixels.

    Returns:
        The first row, and its and the following rows ``(h, width)``; none if there is no paint.

    Raises:
        DataError: A run is negative, or they are not as many pixels as the mask has.

    >>> painted_rows("a.xml", np.array([5, 2, 2]), 3, 3)
    (1, array([[False, False,  True],
           [ True, False, False]]))
    """
    pixels = height * width
    # Long lists of long runs overflow when they are added; a single one is too long already.
    if len(runs) and not 0 <= runs.min() <= runs.max() <= pixels:
        wrong = runs[(runs < 0) | (runs > pixels)][0]
        raise DataError(f"{where}: run of {wrong} pixels in a mask of {width}x{height}")
    total = int(runs.sum())
    if total != pixels:
        raise DataError(
            f"{where}: the runs are {total} pixels, the mask of {width}x{height} has {pixels}"
        )
    ends = np.cumsum(runs)
    drawn = 1 + 2 * np.flatnonzero(runs[1::2])
    if len(drawn) == 0:
        return 0, np.zeros((0, width), bool)
    first = int(ends[drawn[0] - 1]) // width
    last = int(ends[drawn[-1]] - 1) // width
    begin, end = first * width, (last + 1) * width
    clipped: Runs = np.clip(ends, begin, end)
    inside = np.diff(clipped, prepend=begin)
    painted = np.arange(len(runs)) % 2 == 1
    return first, np.repeat(painted, inside).reshape(-1, width)


def listed_runs(where: str, counts: Iterable[Any]) -> Runs:
    """Runs from a list of whole numbers.

    Raises:
        DataError: It holds something else.
    """
    try:
        runs = np.asarray(counts)
    except (ValueError, OverflowError):
        runs = np.zeros((0, 0))
    if runs.ndim != 1 or (len(runs) and runs.dtype.kind not in "iu"):
        raise DataError(f"{where}: runs are {shown(counts)}; expected whole numbers")
    return runs.astype(np.int64)


CHARACTER = 48
"""Added to the six bits of a character of `coco_text`."""

LONGEST_NUMBER = 7
"""Characters: 35 bits."""


def coco_text_runs(where: str, text: str) -> Runs:
    """Runs from the text in which COCO packs them.

    Each number takes some characters: five bits in each, the lowest first, and a sixth bit in all
    but the last; the last one's highest bit is the sign. From the fourth number on it is the
    difference to the last but one.

    Args:
        where: File and mask, for the message.
        text: ``counts`` of a mask.

    Raises:
        DataError: It is no such text.

    >>> coco_text_runs("a.json", "52203").tolist()
    [5, 2, 2, 2, 5]
    """
    try:
        bits = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - CHARACTER
    except UnicodeEncodeError:
        bits = np.full(1, -1)
    last = np.flatnonzero(bits & 32 == 0)
    sizes = np.diff(last, prepend=-1)
    if len(bits) == 0:
        return np.zeros(0, np.int64)
    if bits.min() < 0 or bits.max() > 63 or bits[-1] & 32 or sizes.max() > LONGEST_NUMBER:
        raise DataError(f"{where}: counts {shown(text)} are not run lengths of COCO")
    first = last - sizes + 1
    place = np.arange(len(bits)) - np.repeat(first, sizes)
    numbers = np.add.reduceat((bits & 31) << (5 * place), first)
    numbers -= np.where(bits[last] & 16, 1 << (5 * sizes), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def coco_text(runs: Runs) -> str:
    """The text in which COCO packs runs; see `coco_text_runs`.

    >>> coco_text(np.array([5, 2, 2, 2, 5]))
    '52203'
    """
    numbers = runs.copy()
    numbers[3:] -= runs[1:-2]
    characters = []
    for number in numbers.tolist():
        more = True
        while more:
            bits = number & 31
            number >>= 5
            more = number != (-1 if bits & 16 else 0)
            characters.append(bits + 32 * more + CHARACTER)
    return bytes(characters).decode()


WORD = 8
"""Bits of a value in the streams of Label Studio."""

LENGTH_BITS = (3, 4, 8, 16)
"""The four sizes of a block's length with which Label Studio writes."""

LONGEST_BLOCK = 1 << LENGTH_BITS[-1]

HEADER_BITS = 32 + 5 + 4 * 4


def brush_runs(where: str, stream: bytes, pixels: int) -> Runs:
    """Runs from the brush stroke of Label Studio: painted where the picture is not transparent.

    The stream begins with the number of values (32 bits), the bits of a value less one (5), and
    four sizes less one (4 each). Blocks follow: a bit that says whether one value is repeated, two
    that choose a size, the number of values less one in that many bits, and the value or values.
    Values are red, green, blue and opacity of the pixels, row by row.

    Args:
        where: File and stroke, for the message.
        stream: The bytes of ``value.rle``.
        pixels: Of the picture.

    Raises:
        DataError: The stream ends early, or is of another number of pixels.
    """
    header = int.from_bytes(stream[:7].ljust(7, b"\0")) >> (56 - HEADER_BITS)
    count, word = header >> 21, (header >> 16 & 31) + 1
    sizes = [(header >> place & 15) + 1 for place in (12, 8, 4, 0)]
    if count != 4 * pixels or word != WORD:
        raise DataError(
            f"{where}: rle holds {count} values of {word} bits; expected {4 * pixels} of {WORD} "
            f"(red, green, blue and opacity of {pixels} pixels)"
        )
    lengths: list[int] = []
    painted: list[bool] = []
    at, value = HEADER_BITS, 0
    while value < count:
        # A block's head and first value are at most 27 bits, in any place of 8 bytes.
        byte, shift = divmod(at, 8)
        bits = int.from_bytes(stream[byte : byte + 8].ljust(8, b"\0")) << shift
        size = sizes[bits >> 61 & 3]
        next_value = value + (bits >> (61 - size) & ((1 << size) - 1)) + 1
        at += 3 + size
        # Opacity is every fourth value.
        pixel, next_pixel = value // 4, next_value // 4
        if bits >> 63 & 1:
            at += WORD
            lengths.append(next_pixel - pixel)
            painted.append(bits >> (53 - size) & 255 > 0)
        else:
            byte, shift = divmod(at + WORD * (4 * pixel + 3 - value), 8)
            at += WORD * (next_value - value)
            end = byte + 4 * (next_pixel - pixel)
            lengths += [1] * (next_pixel - pixel)
            painted += [
                (high << 8 | low) >> (8 - shift) & 255 > 0
                for high, low in zip(
                    stream[byte:end:4],
                    stream[byte + 1 : end + 1 : 4].ljust(next_pixel - pixel, b"\0"),
                    strict=False,
                )
            ]
        if next_value > count or at > 8 * len(stream):
            raise DataError(f"{where}: rle ends after {value} of {count} values; export it again")
        value = next_value
    return _joined(np.array(lengths, np.int64), np.array(painted, bool))


def _joined(lengths: Runs, painted: Mask) -> Runs:
    """Runs from pieces of them, some of which may be empty."""
    lengths, painted = lengths[lengths > 0], painted[lengths > 0]
    last = np.append(np.flatnonzero(painted[1:] != painted[:-1]), len(painted) - 1)
    runs = np.diff(np.cumsum(lengths)[last], prepend=0)
    return np.insert(runs, 0, 0) if painted[0] else runs


def brush_bytes(runs: Runs) -> bytes:
    """The stream in which Label Studio keeps a brush stroke; see `brush_runs`.

    >>> list(brush_bytes(np.array([1, 2])))
    [0, 0, 0, 12, 57, 27, 252, 96, 19, 255, 128]
    """
    counts = 4 * runs
    pieces = -(-counts // LONGEST_BLOCK)
    lengths = np.full(pieces.sum(), LONGEST_BLOCK)
    ends = np.cumsum(pieces)[pieces > 0]
    lengths[ends - 1] = (counts - LONGEST_BLOCK * (pieces - 1))[pieces > 0]
    values = np.repeat(255 * (np.arange(len(runs)) % 2), pieces)

    index = np.searchsorted(1 << np.array(LENGTH_BITS), lengths)
    sizes = np.array(LENGTH_BITS)[index]
    blocks = ((4 + index) << sizes | (lengths - 1)) << WORD | values
    widths = 3 + sizes + WORD
    aligned = (blocks << (32 - widths)).astype(">u4").view(np.uint8).reshape(-1, 4)
    bits = np.unpackbits(aligned, axis=1)[np.arange(32) < widths[:, None]]

    header = int(counts.sum()) << 5 | (WORD - 1)
    for size in LENGTH_BITS:
        header = header << 4 | (size - 1)
    head = np.unpackbits(np.frombuffer((header << 11).to_bytes(8), np.uint8))[:HEADER_BITS]
    return np.packbits(np.concatenate([head, bits])).tobytes()

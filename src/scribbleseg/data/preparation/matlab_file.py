"""Label images in Matlab files, as SBD and PASCAL-Context publish them.

The part of format 5 that they need (MathWorks, "MAT-File Format"): a file is a list of elements,
each with its type and length; a matrix is a list of them again. SciPy's reader takes the whole
process down on some damaged files.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.untrusted import MOST_PIXELS
from scribbleseg.annotation.volume import foreign_file
from scribbleseg.errors import DataError

__all__ = ["read_matlab"]

MOST_BYTES = 64 << 20
MOST_UNPACKED = 4 * MOST_BYTES

HEADER = 128
ORDERS = {b"IM": "<", b"MI": ">"}
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
"""Types of elements that hold numbers."""
MATRIX, COMPRESSED = 14, 15
"""Types of elements that hold others."""
STRUCT = 2
NUMERIC = range(6, 16)
"""Classes of matrices."""


def read_matlab(path: Path, variable: str, *fields: str) -> NDArray[Any]:
    """The label image ``(H, W)`` that a variable holds, or a field of a struct.

    Args:
        path: Matlab file of version 5 to 7.2.
        variable: Its name.
        fields: Names of nested fields, from the outside.

    Raises:
        DataError: The file is missing, damaged or too large, or holds no such image.
    """
    name = ".".join((variable, *fields))
    with foreign_file(path):
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DataError(f"{path}: {size >> 20} MB is too large for a label image")
        content = path.read_bytes()
        if content[126:128] not in ORDERS:
            raise DataError(
                f"{path}: no Matlab file of version 5 to 7.2; in Matlab, save it with -v7"
            )
        order = ORDERS[content[126:128]]
        names = []
        for kind, element in _elements(memoryview(content)[HEADER:], order):
            found, matrix = _named(_unpacked(kind, element, order), order)
            if found == variable:
                return _image(f"{path}: {name}", matrix, order, fields)
            names.append(found)
    raise DataError(f"{path}: no variable {variable!r}; it holds {', '.join(names) or 'nothing'}")


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and content of each element."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}2I", data, at)
        begin = at + 8
        if kind >> 16:  # up to four bytes, in the place of the length
            size, kind, begin = kind >> 16, kind & 0xFFFF, at + 4
        end = begin + size
        at = end if kind == COMPRESSED else end + -(end - at) % 8
        if end > len(data):
            raise ValueError(f"element of {size} bytes where {len(data) - begin} are left")
        yield kind, data[begin:end]


def _unpacked(kind: int, element: memoryview, order: str) -> memoryview:
    """The content of a matrix that may be compressed."""
    if kind == COMPRESSED:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(element, MOST_UNPACKED)
        if not unpacker.eof:
            raise ValueError("compressed data end early, or are too large")
        kind, element = next(_elements(memoryview(content), order))
    if kind != MATRIX:
        raise ValueError(f"element of type {kind} where a variable is expected")
    return element


def _named(matrix: memoryview, order: str) -> tuple[str, memoryview]:
    """A matrix's name, and itself."""
    elements = _elements(matrix, order)
    next(elements), next(elements)
    return bytes(next(elements)[1]).decode("latin-1"), matrix


def _image(name: str, matrix: memoryview, order: str, fields: tuple[str, ...]) -> NDArray[Any]:
    """The image in a matrix, or in a field of a struct."""
    elements = _elements(matrix, order)
    flags, shape = (np.frombuffer(next(elements)[1], f"{order}i4") for _ in range(2))
    next(elements)  # its name
    matrix_class, size = int(flags[0]) & 0xFF, math.prod(shape.tolist())
    if fields:
        if matrix_class != STRUCT or size != 1:
            raise DataError(f"{name}: no struct, or several; is it a mask of this dataset?")
        (length,) = np.frombuffer(next(elements)[1], f"{order}i4").tolist()
        names = bytes(next(elements)[1])
        for at in range(0, len(names), max(length, 1)):
            kind, field = next(elements)
            if names[at : at + length].rstrip(b"\0").decode("latin-1") == fields[0]:
                return _image(name, _unpacked(kind, field, order), order, fields[1:])
        raise DataError(f"{name}: no field {fields[0]!r}; is it a mask of this dataset?")
    if matrix_class not in NUMERIC or len(shape) != 2 or min(shape) < 1 or size > MOST_PIXELS:
        raise DataError(
            f"{name}: class {matrix_class} of shape {shape.tolist()}; expected a label image"
        )
    kind, numbers = next(elements)
    return np.frombuffer(numbers, order + NUMBERS[kind]).reshape(shape.tolist(), order="F")

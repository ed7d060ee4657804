"""HDF5 files of other people: nothing is read that lies in another file, or would fill memory.

One thing is believed: the length of a text in an attribute, for which HDF5 makes room, up to 4 GB,
before it looks whether the text is there.
"""

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from scribbleseg.annotation.untrusted import optional_package
from scribbleseg.annotation.volume import EXTRA, foreign_file
from scribbleseg.errors import DataError

__all__ = ["Hdf5File", "decoded", "open_hdf5"]

FILTERS = (1, 2, 3)
"""Codes of HDF5: deflate, shuffle, checksum."""
MOST_CHUNK = 256 << 20
MOST_TEXT = 1 << 20


@contextmanager
def open_hdf5(path: Path) -> Iterator["Hdf5File"]:
    """An HDF5 file, open for reading.

    Raises:
        DataError: It cannot be read; also where that shows only later.
        ConfigError: h5py is not installed.
    """
    h5py = optional_package("h5py", EXTRA)
    with foreign_file(path), h5py.File(path, "r") as root:
        yield Hdf5File(path, root, h5py)


@dataclass(frozen=True)
class Hdf5File:
    """An open file.

    Args:
        path: For messages.
        root: The open ``h5py.File``.
        h5py: The library.
    """

    path: Path
    root: Any
    h5py: ModuleType

    def item(self, name: str) -> Any:
        """The group or dataset with this path; None if there is none.

        Raises:
            DataError: A part of the path is a link, which may lead anywhere.
        """
        item = self.root
        for part in name.split("/"):
            if not isinstance(item, self.h5py.Group) or item.get(part, getlink=True) is None:
                return None
            if not isinstance(item.get(part, getlink=True), self.h5py.HardLink):
                raise DataError(f"{self.path}: {name} is a link; save the file again")
            item = item[part]
        return item

    def children(self, name: str) -> list[str]:
        """Names in a group, those with numbers in the order of the numbers.

        Raises:
            DataError: There is no such group.
        """
        group = self.item(name)
        if not isinstance(group, self.h5py.Group):
            raise DataError(f"{self.path}: no group {name}; is it a file of this tool?")
        return sorted(group, key=lambda child: (len(child), child))

    def dataset(self, name: str, most_bytes: int = MOST_TEXT) -> Any:
        """A dataset that can be read.

        Raises:
            DataError: It is missing, too large, or its values lie elsewhere.
        """
        data = self.item(name)
        if not isinstance(data, self.h5py.Dataset):
            raise DataError(f"{self.path}: no dataset {name}; is it a file of this tool?")
        if data.is_virtual or data.external:
            raise DataError(f"{self.path}: {name} lies in another file; save the file again")
        chunk = math.prod(data.chunks) * data.dtype.itemsize if data.chunks else 0
        if data.nbytes > most_bytes or chunk > MOST_CHUNK:
            raise DataError(f"{self.path}: {name} of {data.shape} values is too large")
        if data.chunks:
            self._check_packed(name, data, chunk)
        if data.dtype.kind == "O":
            self._check_lengths(name, data)
        return data

    def texts(self, name: str) -> list[str]:
        """A list of texts, or one.

        Raises:
            DataError: As `dataset`, or it holds something else.
        """
        data = self.dataset(name)
        if data.ndim > 1 or self.h5py.check_string_dtype(data.dtype) is None:
            raise DataError(
                f"{self.path}: {name} holds {data.shape} values of {data.dtype}; expected texts"
            )
        return [decoded(text) for text in np.ravel(data[()]).tolist()]

    def text(self, name: str) -> str:
        """One text; empty if there is none."""
        return "" if self.item(name) is None else "".join(self.texts(name)[:1])

    def _check_packed(self, name: str, data: Any, size: int) -> None:
        """Refuse chunks that would be unpacked to more than their values."""
        plist = data.id.get_create_plist()
        codes = {plist.get_filter(index)[0] for index in range(plist.get_nfilters())}
        if not codes.issubset(FILTERS):
            raise DataError(f"{self.path}: {name} has an unknown compression; save it with gzip")
        most = 2 * size + 1024
        for index in range(data.id.get_num_chunks() if 1 in codes else 0):
            info = data.id.get_chunk_info(index)
            fits = info.size <= most
            if fits:
                skipped, packed = data.id.read_direct_chunk(info.chunk_offset)
                unpacked = b"" if skipped else zlib.decompressobj().decompress(packed, most + 1)
                fits = len(unpacked) <= most
            if not fits:
                raise DataError(f"{self.path}: {name} is damaged; save the file again")

    def _check_lengths(self, name: str, data: Any) -> None:
        """Refuse texts of absurd length, for which HDF5 would make room at once."""
        start = data.id.get_offset()  # of lengths and addresses, 16 bytes a text
        with self.path.open("rb") as file:
            file.seek(start or 0)
            content = file.read(16 * data.size)
        lengths = np.frombuffer(content[: len(content) // 16 * 16], "<u4")[::4]
        if data.size and (start is None or len(lengths) < data.size or lengths.max() > MOST_TEXT):
            raise DataError(f"{self.path}: {name} is damaged; save the file again")


def decoded(value: Any) -> str:
    """A text, which h5py gives as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)

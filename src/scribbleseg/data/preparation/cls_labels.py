"""``cls_labels.npy``: image-level tags as PSA, PFA, CSPNet and others publish them.

A NumPy file that holds a pickled ``{image id: array of K - 1 zeros and ones}``, without the
background. A pickle can run code, so it is taken apart here by an interpreter that knows nothing
but dicts, texts and plain arrays.
"""

import io
import pickle
import pickletools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from scribbleseg.errors import DataError

__all__ = ["cls_labels_file", "read_cls_labels"]

MOST_BYTES = 64 << 20
MOST_OBJECTS = 10_000_000
MEMO = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
DTYPES = frozenset({"f8", "f4", "i8", "i4", "i2", "i1", "u1", "b1"})


def cls_labels_file(tags: Mapping[str, Sequence[int]], num_classes: int) -> bytes:
    """The content of a ``cls_labels.npy``.

    Args:
        tags: Classes of each image, by its id; class 0 is the background.
        num_classes: K, background included.
    """
    vectors = {}
    for name, present in tags.items():
        vector = np.zeros(num_classes - 1, np.float32)
        vector[[index - 1 for index in present if index > 0]] = 1.0
        vectors[name] = vector
    content = io.BytesIO()
    np.save(content, np.array(vectors, dtype=object), allow_pickle=True)
    return content.getvalue()


def read_cls_labels(path: Path, num_classes: int) -> dict[str, tuple[int, ...]]:
    """The classes of each image, the background (0) first.

    Args:
        path: The file.
        num_classes: K, background included; vectors have K - 1 values.

    Raises:
        DataError: It is missing, too large or damaged, or holds anything else than such vectors.
    """
    tags = {}
    for name, vector in _unpickled(path).items():
        if not isinstance(name, str) or not isinstance(vector, _Array):
            raise DataError(f"{path}: entry {name!r:.60} is not an image id with a vector of tags")
        values = vector.values()
        if (
            values is None
            or values.shape != (num_classes - 1,)
            or not np.isin(values, (0, 1)).all()
        ):
            raise DataError(
                f"{path}: tags of {name!r:.60} are not {num_classes - 1} zeros and ones; is the "
                "file of another dataset?"
            )
        tags[name] = (0, *(int(index) + 1 for index in np.flatnonzero(values)))
    return tags


def _unpickled(path: Path) -> dict[Any, Any]:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DataError(f"{path}: {size >> 20} MB is too large for image-level tags")
        file = io.BytesIO(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; it should hold image-level tags") from None
    try:
        if np.lib.format.read_magic(file) == (1, 0):
            np.lib.format.read_array_header_1_0(file)
        else:
            raise DataError(f"{path}: NumPy format of another version than 1.0; save it again")
        _check_memo(file)
        array = _Unpickler(file).load()
    except DataError:
        raise
    except Exception as error:  # a crafted pickle can raise anything
        raise DataError(
            f"{path}: cannot be read as image-level tags ({error}); get the file again, or write "
            "them as text, a line for each image: id, tab, numbers or names of its classes"
        ) from None
    content = array.state[4] if isinstance(array, _Array) and len(array.state) == 5 else None
    only = content[0] if isinstance(content, list) and len(content) == 1 else None
    if not isinstance(only, dict):
        raise DataError(f"{path}: holds no dict of image-level tags; get the file again")
    return only


def _check_memo(file: io.BytesIO) -> None:
    """Refuse references to an object with an absurd number, for which memory would be reserved."""
    start = file.tell()
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in MEMO and not 0 <= argument < MOST_OBJECTS:  # type: ignore[operator]
            raise pickle.UnpicklingError(f"it numbers an object {argument}")
    file.seek(start)


class _Dtype:
    """Stands for ``numpy.dtype`` while unpickling; keeps what the pickle says of it."""

    def __init__(self, *arguments: Any) -> None:
        self.name = arguments[0] if arguments else None
        self.order = "|"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


class _Array:
    """Stands for ``numpy.ndarray`` while unpickling."""

    state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.state = tuple(state)

    def values(self) -> NDArray[Any] | None:
        """The array, if it is one-dimensional and of numbers."""
        if len(self.state) != 5:
            return None
        _, shape, dtype, _, content = self.state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
            return None
        if str(dtype.name) not in DTYPES or dtype.order not in ("<", ">", "|", "="):
            return None
        kind = np.dtype(f"{dtype.order}{dtype.name}")
        if not isinstance(shape, tuple) or shape != (len(content) // kind.itemsize,):
            return None
        return np.frombuffer(content, kind) if len(content) % kind.itemsize == 0 else None


def _reconstruct(*_: Any) -> _Array:
    """Stands for the function of NumPy that begins an array."""
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    """Stands for ``_codecs.encode``, by which old pickles hold bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"encoding {encoding!r:.60}")
    return text.encode("latin-1")


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}
"""What a pickled array names, and what is called instead: nothing of NumPy's own."""


class _Unpickler(pickle.Unpickler):
    """Knows the names in `ALLOWED` and no other."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            named = f"{module}.{name}"
            raise pickle.UnpicklingError(f"it names {named!r:.60}, which could run code")
        return ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to something outside the file")

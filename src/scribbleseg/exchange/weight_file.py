"""Reading tensors from files that anybody may have written; nothing in them is ever executed."""

import argparse
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from scribbleseg.errors import CheckpointError

__all__ = ["read_safetensors", "read_torch_file", "tensors_of"]

NUMBER_OF_NUMPY: Any = np.float64(0).__reduce__()[0]
ARRAY_OF_NUMPY: Any = np.zeros(0).__reduce__()[0]
HARMLESS: list[Any] = [
    argparse.Namespace,
    (NUMBER_OF_NUMPY, "numpy.core.multiarray.scalar"),
    (NUMBER_OF_NUMPY, "numpy._core.multiarray.scalar"),
    np.ndarray,
    (ARRAY_OF_NUMPY, "numpy.core.multiarray._reconstruct"),
    (ARRAY_OF_NUMPY, "numpy._core.multiarray._reconstruct"),
    np.dtype,
    *(type(np.dtype(name)) for name in ("bool", "int32", "int64", "float32", "float64")),
]
"""What training scripts store beside the weights (options, best scores): data, not code."""


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file by name.

    Raises:
        CheckpointError: The file is missing, damaged, or its header is not to be believed.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: not a readable safetensors file ({reason})") from None


def read_torch_file(path: Path) -> dict[str, Any]:
    """The content of a file of `torch.save`: tensors and plain values.

    Raises:
        CheckpointError: The file is missing, damaged, no dictionary, or holds objects that only
            running its code could restore.
    """
    try:
        if zipfile.is_zipfile(path):
            _check_archive(path)
        with torch.serialization.safe_globals(HARMLESS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: holds more than tensors and plain values ({_global_in(error)}), and is not "
            "executed; if you trust it, unpack it elsewhere: torch.save(torch.load(FILE, "
            "weights_only=False)['state_dict'], 'plain.pth')"
        ) from None
    except Exception as error:  # damaged archives make the reader raise almost anything
        reason = next(iter(str(error).splitlines()), "")[:200]
        raise CheckpointError(f"{path}: cannot be read ({reason})") from None
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: expected a dictionary, found {type(content).__name__}")
    return dict(content)


def tensors_of(path: Path, content: Mapping[Any, Any]) -> dict[str, Tensor]:
    """A dictionary of which every value is a tensor with memory of its own.

    Raises:
        CheckpointError: It holds something else, or a tensor that claims more values than it has.
    """
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{path}: expected tensors by name, but {str(key)[:60]!r} is {type(value).__name__}"
            )
        # A stride of 0 repeats one value: a few bytes could ask for a network of any size.
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(f"{path}: {key!r} has {value.numel()} values but no room for it")
    return dict(content)


def _check_archive(path: Path) -> None:
    """Compare every record with its checksum, which torch does not; refuse what unfolds."""
    with zipfile.ZipFile(path) as archive:
        packed = [info.filename for info in archive.infolist() if info.compress_type != 0]
        if packed:
            raise zipfile.BadZipFile(f"record {packed[0]} is compressed, which torch never does")
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"record {damaged} is damaged")


def _global_in(error: BaseException) -> str:
    """What the file wanted to import, from torch's message."""
    found = re.search(r"GLOBAL (\S+)", str(error))
    return f"it asks for {found[1][:80]}" if found else "of an unknown kind"

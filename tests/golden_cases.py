"""Golden vectors: cases by file pattern from SCRIBBLESEG_GOLDEN (the copies beside this file)."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(os.environ.get("SCRIBBLESEG_GOLDEN", Path(__file__).parent / "golden"))


class Case(Mapping[str, Any]):
    """The arrays of one case; in files that hold several, those below its prefix."""

    def __init__(self, path: Path | None, prefix: str = "", wanted: str = "") -> None:
        self.path, self.prefix, self.wanted = path, prefix, wanted

    def __getitem__(self, key: str) -> Any:
        if self.path is None:
            pytest.fail(f"no golden case {self.wanted} in {FOLDER}")
        with np.load(self.path, allow_pickle=False) as arrays:
            value = arrays[self.prefix + key]
        return value.item() if value.ndim == 0 else value

    def __iter__(self) -> Iterator[str]:
        if self.path is None:
            return iter(())
        with np.load(self.path, allow_pickle=False) as arrays:
            return iter(
                [
                    name.removeprefix(self.prefix)
                    for name in arrays.files
                    if name.startswith(self.prefix)
                ]
            )

    def __len__(self) -> int:
        return len(list(iter(self)))


def golden(method: str, topic: str, *, holding: str | None = None) -> pytest.MarkDecorator:
    """Parametrise a test by every case of a topic; a topic without a case fails.

    With ``holding``, only what holds an array of that name is a case.
    """
    params = []
    for path in sorted((FOLDER / method).glob(f"{topic}*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            files = set(arrays.files)
        prefixes = sorted({name.split("/", 1)[0] + "/" for name in files if "/" in name})
        if holding is None:
            prefixes = prefixes or [""]
        else:
            prefixes = [prefix for prefix in ("", *prefixes) if prefix + holding in files]
        params += [
            pytest.param(Case(path, prefix), id=f"{path.stem}:{prefix}".rstrip(":/"))
            for prefix in prefixes
        ]
    missing = pytest.param(Case(None, wanted=f"{method}/{topic}*.npz"), id=f"{topic}: none")
    return pytest.mark.parametrize("case", params or [missing])

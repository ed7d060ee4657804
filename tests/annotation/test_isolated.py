import ctypes
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scribbleseg.annotation import isolated as isolated_module
from scribbleseg.annotation.isolated import isolated
from scribbleseg.errors import ConfigError, DataError


def plain(path: Path) -> Any:
    print("said by a library")
    return {"name": path.name, "values": [1, 2.5, None]}


def refused(path: Path) -> None:
    raise DataError(f"{path}: label 3")


def misconfigured(path: Path) -> None:
    raise ConfigError("this format needs a library")


def crashed(path: Path) -> None:
    ctypes.string_at(0)


def endless(path: Path) -> None:
    time.sleep(100)


def greedy(path: Path) -> int:
    return len(bytearray(8 << 30))


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    for function in (plain, refused, misconfigured, crashed, endless, greedy):
        monkeypatch.setattr(function, "__module__", "test_isolated")


def test_plain_values_come_back() -> None:
    assert isolated(Path("a.ilp"), plain) == {"name": "a.ilp", "values": [1, 2.5, None]}


def test_errors_for_the_user_come_back() -> None:
    with pytest.raises(DataError, match=r"^a\.ilp: label 3$"):
        isolated(Path("a.ilp"), refused)
    with pytest.raises(ConfigError, match="this format needs a library"):
        isolated(Path("a.ilp"), misconfigured)


def test_a_crash_is_an_error_for_the_user() -> None:
    with pytest.raises(DataError, match=r"a\.ilp: the library that reads it crashed"):
        isolated(Path("a.ilp"), crashed)


@pytest.mark.skipif(sys.platform != "linux", reason="has no limit of address space")
def test_memory_is_limited() -> None:
    with pytest.raises(DataError, match=r"a\.ilp: the library that reads it crashed .*MemoryError"):
        isolated(Path("a.ilp"), greedy)


def test_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_module, "MOST_SECONDS", 1)
    with pytest.raises(DataError, match=r"a\.ilp: not read within 1 s"):
        isolated(Path("a.ilp"), endless)

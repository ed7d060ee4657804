"""Settings of every test: one thread, no network, and a count of the data tests."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["JSONARGPARSE_DEPRECATION_WARNINGS"] = "off"

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.drawn import draw_dataset

DATA_TEST = ("real data", True)
REQUIRE_DATA = "SCRIBBLESEG_REQUIRE_DATA"
DATA_SETS = ("acdc", "camvid", "voc_sample")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Two threads on two virtual cores made a training step 20 times slower."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _names_for_doctests(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace.update(np=np, torch=torch)


@pytest.fixture(autouse=True)
def _quiet_root_logger() -> Iterator[None]:
    """The command line sets up logging for the whole process; tests run many commands in one."""
    import logging

    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset folder with masks, scribbles and lists; not to be changed."""
    root = tmp_path_factory.mktemp("drawn") / "cells"
    draw_dataset(root)
    return root


@pytest.fixture(scope="session")
def shapes_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded example; not to be changed."""
    from scribbleseg.data.layouts import shapes

    root = tmp_path_factory.mktemp("embedded") / "shapes"
    shapes.generate(root)
    return root


@pytest.fixture
def workplace(shapes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory in which the embedded example is already drawn."""
    place = tmp_path / "workplace"
    (place / "runs/data").mkdir(parents=True)
    (place / "runs/data/shapes").symlink_to(shapes_root)
    monkeypatch.setenv("SCRIBBLESEG_DATA", str(real_data_root()))
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real data."""
    return real_data_root()


def real_data_root() -> Path:
    """Where the real data lie, whether or not they are there."""
    return Path(
        os.environ.get("SCRIBBLESEG_DATA", Path(__file__).parent / "../shared/data")
    ).resolve()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of real data where there are none, unless they are required."""
    data_tests = [item for item in items if item.get_closest_marker("data")]
    for item in data_tests:
        item.user_properties.append(DATA_TEST)
    root = real_data_root()
    missing = [name for name in DATA_SETS if not (root / name).is_dir()]
    if not missing:
        return
    reason = f"no {', '.join(missing)} in {root}; set SCRIBBLESEG_DATA"
    if os.environ.get(REQUIRE_DATA):
        pytest.exit(f"the data tests need data: {reason}", returncode=1)
    for item in data_tests:
        item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests saw real data: a green run may have seen none."""
    counts = {"ran": 0, "skipped": 0}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            if DATA_TEST in getattr(report, "user_properties", ()):
                counts["skipped" if outcome == "skipped" else "ran"] += 1
    terminalreporter.write_line(f"data tests: {counts['ran']} ran, {counts['skipped']} skipped")

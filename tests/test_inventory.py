"""The public names, checked in: removing one is a visible decision."""

import importlib
import json
from pathlib import Path

import pytest

INVENTORY: dict[str, list[str]] = json.loads(
    (Path(__file__).parent / "public_names.json").read_text()
)
SOURCES = Path(__file__).parents[1] / "src/scribbleseg"
ROOMS = sorted(
    "scribbleseg" if path.parent == SOURCES else f"scribbleseg.{path.parent.name}"
    for path in [SOURCES / "__init__.py", *SOURCES.glob("*/__init__.py")]
)


def test_every_room_is_in_the_inventory() -> None:
    assert sorted(INVENTORY) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_names_are_those_of_the_inventory(room: str) -> None:
    module = importlib.import_module(room)
    assert sorted(getattr(module, "__all__", [])) == INVENTORY[room]
    assert all(hasattr(module, name) for name in INVENTORY[room])

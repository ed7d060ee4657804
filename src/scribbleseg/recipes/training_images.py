"""Training images, test list and steps of a config, without building anything of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scribbleseg.data.layout import Layout, with_scribbles
from scribbleseg.data.layouts import load_layout
from scribbleseg.errors import ConfigError
from scribbleseg.recipes.yaml_fields import mapping_at, read_fields

__all__ = ["max_steps", "test_list", "training_images"]

DATA = {"root": None, "layout": "folder", "train": "train", "scribbles": None}


def training_images(config: Path, options: Mapping[str, Any]) -> tuple[Layout, Path, list[str]]:
    """Layout, with the scribbles of the config's choice, folder and ids of its training images.

    Args:
        config: The file.
        options: Options of ``fit`` that take the place of its values, e.g. ``data.root``.

    Raises:
        ConfigError: It is no config, does not say where the data lies, or there is no such layout
            or folder.
        DataError: The list of images is wrong.
    """
    data = {**DATA, **{k: v for k, v in _part(config, "data").items() if k in DATA}}
    data |= {name: options[f"data.{name}"] for name in DATA if f"data.{name}" in options}
    if data["root"] is None:
        raise ConfigError(f"{config}: has no data.root; add --data.root DIR")
    layout, root = load_layout(str(data["layout"]), str(data["root"]))
    if layout.generate is not None and not root.is_dir():
        layout.generate(root)
    if data["scribbles"] not in {None, "null"}:
        layout = with_scribbles(layout, root, str(data["scribbles"]))
    return layout, root, list(layout.names(root, str(data["train"])))


def test_list(config: Path, options: Mapping[str, Any]) -> str | None:
    """Name of the list that a training is tested on at its end; None if it is not.

    Args:
        config: The file.
        options: As of `training_images`.

    Raises:
        ConfigError: It is no config.
    """
    name = options.get("data.test", _part(config, "data").get("test", "test"))
    return None if name in {None, "null"} else str(name)


def max_steps(config: Path, options: Mapping[str, Any]) -> int | None:
    """Optimiser steps of a training; None if they are not said.

    Args:
        config: The file.
        options: As of `training_images`.

    Raises:
        ConfigError: It is no config.
    """
    name = "trainer.max_steps"
    steps = str(options[name] if name in options else _part(config, "trainer").get("max_steps"))
    return int(steps) if steps.isdecimal() else None


def _part(config: Path, name: str) -> dict[str, Any]:
    """A part of a config; empty if the config has none."""
    content = read_fields(config, "a config")
    return mapping_at(config, name, content.get(name) or {})

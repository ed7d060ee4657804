"""What a run folder tells about where its weights come from."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from scribbleseg.data.layout import Layout
from scribbleseg.data.layouts import layout_names, load_layout
from scribbleseg.errors import CheckpointError, ConfigError, DataError
from scribbleseg.exchange.config_file import read_json
from scribbleseg.exchange.description import Origin
from scribbleseg.exchange.typed_value import fitted

__all__ = ["layout_of", "origin_of"]


def layout_of(data: Mapping[str, Any]) -> Layout | None:
    """The layout of a run's dataset, if it is one of the library's, or the dataset is still there.

    Args:
        data: Section ``data`` of the run's config.
    """
    name, root = data.get("layout"), data.get("root")
    if name not in layout_names() or not isinstance(root, str):
        return None  # a module of the user's own is not imported because a file names it
    known = getattr(import_module(f"scribbleseg.data.layouts.{name}"), "LAYOUT", None)
    if isinstance(known, Layout):
        return known
    try:
        return load_layout(str(name), root)[0]
    except (ConfigError, DataError):
        return None


def origin_of(
    run: Path, config: Mapping[str, Any], checkpoint: str, steps: Any, class_names: Sequence[str]
) -> Origin:
    """Method, data and scores, as far as the run's files know them.

    Args:
        run: Folder of the run.
        config: Its config.
        checkpoint: Name of the checkpoint; scores of others are left out.
        steps: Optimiser steps of the checkpoint.
        class_names: Names of the classes.

    Raises:
        CheckpointError: A file is not as the library writes it.
    """
    training = _facts(run / "environment.json").get("training", {})
    metrics = _facts(run / "metrics.json")
    method = config["model"].get("class_path")
    try:
        facts = {
            "method": method.rpartition(".")[2],
            "steps": steps,
            "dataset": _dataset_name(config["data"]),
            "images": training.get("images"),
            "supervision": training.get("supervision", []),
            "scores": {
                split: _scores(entry, class_names)
                for split, entry in metrics.items()
                if entry["checkpoint"] == checkpoint
            },
            "source": None,
        }
        origin: Origin = fitted(facts, Origin, "run")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{run}: metrics.json or environment.json is not as scribbleseg writes it ({error})"
        ) from None
    return origin


def _scores(entry: Mapping[str, Any], class_names: Sequence[str]) -> dict[str, Any]:
    scores = {name: entry[name] for name in ("images", "miou", "pixel_accuracy")}
    return {**scores, "iou": [entry["classes"][name]["iou"] for name in class_names]}


def _dataset_name(data: Mapping[str, Any]) -> Any:
    layout, root = data.get("layout"), data.get("root")
    # A path of this machine says nothing to others, and may say too much.
    return Path(root).name if layout == "folder" and isinstance(root, str) else layout


def _facts(path: Path) -> dict[str, Any]:
    content = read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}

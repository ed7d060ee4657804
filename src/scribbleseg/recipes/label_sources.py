"""Sources of pseudo labels that are compared, in one YAML.

::

    layout: scribble_coco
    root: ScribbleCOCO
    split: train                          # the images whose labels are scored
    variants: [r1, r2, r3]                # of the scribbles, or whatever else repeats
    labels:                               # name of a source: folder of its labels
      ToCo: pseudolabels/toco
      scribble-promoted ToCo: pseudolabels/toco_{variant}
    runs: runs/coco/cspnet/{source}_{variant}           # optional: trained on these labels
    config: coco/cspnet.yaml                            # optional: how such a run is trained,
    scribbles: coco2014_train_scribble_{variant}        # and on which scribbles
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scribbleseg.errors import ConfigError
from scribbleseg.recipes.yaml_fields import mapping_at, read_fields, refuse_unknown

__all__ = ["LabelSources", "SourceVariant", "read_label_sources"]

NEEDED = ("layout", "root", "split", "variants", "labels")
OPTIONAL = ("runs", "config", "scribbles")
PLACEHOLDERS: dict[str, tuple[str, ...]] = {
    "layout": (),
    "root": (),
    "split": (),
    "runs": ("source", "variant"),
    "config": (),
    "scribbles": ("variant",),
}
"""The keys that are texts, and what may stand in braces in each."""

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class SourceVariant:
    """The labels of one source for one variant, and the run that was trained on them.

    Args:
        source: Name of the source.
        variant: Name of the variant.
        labels: Folder of the labels as the file has it.
        run: Folder of the run; None if the file names no runs.
        training: Words of the command line that makes the run, without the program; empty if the
            file does not say how.
    """

    source: str
    variant: str
    labels: str
    run: Path | None = None
    training: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelSources:
    """What is compared.

    Args:
        path: The file that says so.
        layout: Layout of the dataset.
        root: Folder of the dataset, as the user wrote it.
        split: List of the images whose labels are scored.
        variants: Names of the variants.
        config: Config of the runs, as the file has it; None if it names none.
        items: Every source with every variant, source by source.
    """

    path: Path
    layout: str
    root: str
    split: str
    variants: tuple[str, ...]
    config: str | None
    items: tuple[SourceVariant, ...]


def read_label_sources(path: Path, *, root: str | None = None) -> LabelSources:
    """Read the file and fill in its placeholders.

    Args:
        path: The YAML.
        root: Folder of the dataset instead of the file's.

    Raises:
        ConfigError: A name is unknown or missing, or a value is impossible; the message says where
            and what is allowed.
    """
    fields = read_fields(path, "a comparison of labels")
    refuse_unknown(path, "", fields, (*NEEDED, *OPTIONAL))
    for key in NEEDED:
        if key not in fields:
            raise ConfigError(f"{path}: {key!r} is missing; needed: {', '.join(NEEDED)}")
    if root is not None:
        fields = {**fields, "root": root}
    for key, placeholders in PLACEHOLDERS.items():
        if key in fields:
            _check_text(path, key, fields[key], placeholders)
    for key in ("config", "scribbles"):
        if key in fields and "runs" not in fields:
            raise ConfigError(f"{path}: {key!r} says how runs are made; name them in 'runs'")
    variants = _variants(path, fields["variants"])
    labels = mapping_at(path, "labels", fields["labels"])
    if not labels:
        raise ConfigError(f"{path}: 'labels' is empty; name at least one source and its folder")
    for source, folder in labels.items():
        _check_text(path, f"labels.{source}", folder, ("variant",))
    items = tuple(_item(fields, source, variant) for source in labels for variant in variants)
    runs = {item.run for item in items}
    if "runs" in fields and len(runs) < len(items):
        raise ConfigError(
            f"{path}: 'runs' is {fields['runs']!r}, the same folder for several runs; tell them "
            "apart with {source} and {variant}"
        )
    return LabelSources(
        path=path,
        layout=fields["layout"],
        root=fields["root"],
        split=fields["split"],
        variants=variants,
        config=fields.get("config"),
        items=items,
    )


def _check_text(path: Path, key: str, value: Any, placeholders: Sequence[str]) -> None:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{path}: {key!r} is {value!r}; expected a text")
    for name in PLACEHOLDER.findall(value):
        if name not in placeholders:
            known = ", ".join(f"{{{one}}}" for one in placeholders) or "none"
            raise ConfigError(
                f"{path}: {key!r} is {value!r}, but {{{name}}} means nothing there; allowed: "
                f"{known}"
            )


def _variants(path: Path, value: Any) -> tuple[str, ...]:
    # YAML reads 0 as a number, and 'on' as a truth value.
    if not isinstance(value, list) or not value or any(type(v) not in (str, int) for v in value):
        raise ConfigError(f"{path}: 'variants' is {value!r}; list their names, e.g. [r1, r2, r3]")
    names = tuple(str(variant) for variant in value)
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: 'variants' names one twice: {', '.join(names)}")
    return names


def _item(fields: Mapping[str, Any], source: str, variant: str) -> SourceVariant:
    meanings = {"source": source.replace(" ", "_"), "variant": variant}

    def filled(pattern: str) -> str:
        return PLACEHOLDER.sub(lambda match: meanings[match[1]], pattern)

    labels = filled(fields["labels"][source])
    if "runs" not in fields:
        return SourceVariant(source, variant, labels)
    run = filled(fields["runs"])
    training: tuple[str, ...] = ()
    if {"config", "scribbles"} <= fields.keys():
        training = (
            *("fit", "--config", fields["config"], "--data.root", fields["root"]),
            *("--data.scribbles", filled(fields["scribbles"]), "--data.pseudo_labels", labels),
            *("--run", run),
        )
    return SourceVariant(source, variant, labels, Path(run), training)

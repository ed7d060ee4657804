"""A model as a folder: ``model.safetensors``, ``config.json`` and a model card; data, no code."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from scribbleseg.annotation.file_hash import sha256_of
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange.config_file import ConfigFile, config_text, read_config
from scribbleseg.exchange.description import ModelDescription
from scribbleseg.exchange.model_card import card_text
from scribbleseg.exchange.network_builder import (
    NetworkClass,
    check_weights,
    network_with_weights,
    shape_differences,
    shapes_of,
)
from scribbleseg.exchange.weight_file import read_safetensors

__all__ = [
    "CONFIG",
    "FILES",
    "check_files",
    "check_folder",
    "initialise",
    "read_folder",
    "save_folder",
]

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
FILES = (WEIGHTS, CONFIG, CARD)


def save_folder(
    net: nn.Module,
    folder: str | Path,
    model: ModelDescription,
    *,
    license: str = "other",
    name: str | None = None,
    overwrite: bool = False,
    networks: Mapping[str, NetworkClass] | None = None,
) -> None:
    """Write a network and all that is needed to use it.

    Args:
        net: The network, ``task.net`` of a method.
        folder: The folder, made if it is not there.
        model: What the network is; it must be what `load` would build from it.
        license: Licence of the weights, for the model card.
        name: Name in the model card, e.g. ``user/model``; the folder's by default.
        overwrite: Replace the three files of a folder that was written by this function.
        networks: The caller's own network classes, by name.

    Raises:
        ConfigError: The folder holds something else.
        CheckpointError: The description is not that of the network, or a file cannot be written.
    """
    folder = Path(folder)
    check_folder(folder, overwrite=overwrite)
    # Copies: a file needs tensors that lie in order in memory and share none of it.
    weights = {
        key: value.detach().to("cpu", memory_format=torch.contiguous_format, copy=True)
        for key, value in net.state_dict().items()
    }
    check_weights(model, weights, str(folder), networks)
    content = save(weights, metadata={"format": "pt"})
    config = config_text(model, hashlib.sha256(content).hexdigest())
    card = card_text(model, name=name or folder.resolve().name, license=license)
    try:
        # The description comes first: a folder in which the weights are missing or old is known as
        # ours, and refused for its hash.
        for file, part in ((CONFIG, config.encode()), (WEIGHTS, content), (CARD, card.encode())):
            with whole_file(folder / file, durable=True) as unfinished:
                unfinished.write_bytes(part)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written ({error})") from None


def read_folder(
    folder: str | Path, *, networks: Mapping[str, NetworkClass] | None = None
) -> tuple[nn.Module, ModelDescription]:
    """The network of a folder, in evaluation mode on the host, and its description.

    Args:
        folder: Written by `save_folder`.
        networks: The caller's own network classes, by name.

    Raises:
        CheckpointError: A file is missing or damaged, or they do not belong together.
    """
    folder = Path(folder)
    config = check_files(folder)
    weights = read_safetensors(folder / WEIGHTS)
    return network_with_weights(config.model, weights, str(folder), networks), config.model


def initialise(net: nn.Module, folder: str | Path) -> None:
    """Start a network from the weights of a folder; every weight must be there and fit.

    Args:
        net: The network, changed in place.
        folder: Written by `save_folder`, also from a converted checkpoint.

    Raises:
        CheckpointError: As `read_folder`, or the weights are those of another network.
    """
    folder = Path(folder)
    check_files(folder)
    weights = read_safetensors(folder / WEIGHTS)
    problems = shape_differences(shapes_of(weights), shapes_of(net.state_dict()))
    if problems:
        raise CheckpointError(
            f"{folder}: weights do not fit the network: {'; '.join(problems[:3])} "
            f"({len(problems)} differences)"
        )
    net.load_state_dict(weights)


def check_files(folder: Path) -> ConfigFile:
    """The description of a folder whose files are there and belong together.

    Raises:
        CheckpointError: One is missing or damaged, or the weights are not those it describes.
    """
    config = read_config(folder / CONFIG)
    try:
        found = sha256_of(folder / WEIGHTS)
    except OSError as error:
        raise CheckpointError(f"{folder / WEIGHTS}: cannot be read ({error.strerror})") from None
    if found != config.sha256:
        raise CheckpointError(
            f"{folder / WEIGHTS}: is not the file that {CONFIG} describes (sha256 {found[:12]}... "
            f"instead of {config.sha256[:12]}...); copy the folder again"
        )
    return config


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that must not be written to; nothing is changed.

    Raises:
        ConfigError: It is a file, or holds something.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; give the name of a folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise ConfigError(f"{folder}: exists and is not empty; --overwrite replaces a model in it")
    try:
        read_config(folder / CONFIG)
    except CheckpointError as error:
        raise ConfigError(
            f"{folder}: is not a model folder, and only these are overwritten ({error})"
        ) from None

"""The model of a run folder: the network that its config names, with a checkpoint's weights."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor, nn

from scribbleseg.annotation.image_file import ImageMode
from scribbleseg.data.normalisation import IMAGENET_MEAN, IMAGENET_STD
from scribbleseg.errors import CheckpointError, ConfigError, RunError
from scribbleseg.exchange.description import ModelDescription, NetworkSpec, Picture
from scribbleseg.exchange.network_builder import (
    NetworkClass,
    differences,
    known_networks,
    network_arguments,
    network_with_weights,
    shapes_of,
)
from scribbleseg.exchange.run_origin import layout_of, origin_of
from scribbleseg.exchange.typed_value import fitted, is_plain
from scribbleseg.exchange.weight_file import read_torch_file, tensors_of
from scribbleseg.inference import PROTOCOLS, Inference

__all__ = ["read_run"]

NET = "net."
"""What comes before the network's names in a method's state."""


def read_run(
    run: str | Path,
    checkpoint: str = "last",
    *,
    networks: Mapping[str, NetworkClass] | None = None,
) -> tuple[nn.Module, ModelDescription]:
    """The network of a run, in evaluation mode on the host, and its description.

    Nothing that the run's config names is imported; of the dataset only the colours are looked
    for, and those of PASCAL VOC taken where it is gone.

    Args:
        run: Folder of the run.
        checkpoint: ``last``, ``best``, or the path of a ``.ckpt`` file.
        networks: The caller's own network classes, by name.

    Raises:
        RunError: The folder is not that of a run, or has no such checkpoint.
        CheckpointError: The network is not one of ours or the caller's, or the checkpoint is
            damaged or of another network.
    """
    # Imported here: methods may begin with what this package reads.
    from scribbleseg.methods.base import IDENTITY

    run = Path(run)
    config = _config(run / "config.yaml")
    path = Path(checkpoint) if checkpoint.endswith(".ckpt") else _own(run, checkpoint)
    content = read_torch_file(path)
    identity, state = content.get(IDENTITY), content.get("state_dict")
    if not isinstance(identity, dict) or not isinstance(state, dict):
        raise CheckpointError(f"{path}: is not a checkpoint of scribbleseg")
    weights = {
        key.removeprefix(NET): value
        for key, value in tensors_of(path, state).items()
        if key.startswith(NET)
    }
    arguments = config["model"]["init_args"]
    network = _network(run, "model.init_args.network", arguments.get("network"), networks)
    if identity.get("network") != network.name:
        raise CheckpointError(
            f"{path}: belongs to a {identity.get('network')}, but the run's config names a "
            f"{network.name}"
        )
    try:
        names = fitted(identity.get("class_names"), tuple[str, ...], "class_names")
        model = ModelDescription(
            network,
            names,
            inference=_inference(arguments),
            origin=origin_of(run, config, checkpoint, content.get("global_step"), names),
        )
        model = _with_picture(model, config["data"], weights, networks)
    except (ValueError, ConfigError) as error:
        raise CheckpointError(f"{run}: {error}") from None
    layout = layout_of(config["data"])
    if layout is not None and layout.class_names == model.class_names:
        model = replace(model, palette=layout.palette, ignore_index=layout.ignore_index)
    return network_with_weights(model, weights, str(path), networks), model


def _config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RunError(f"{path}: no such file; {path.parent} is not the folder of a run")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{path}: no YAML ({reason})") from None
    if not (
        isinstance(config, dict)
        and isinstance(config.get("data"), dict)
        and isinstance(config.get("model"), dict)
        and isinstance(config["model"].get("init_args"), dict)
    ):
        raise RunError(f"{path}: is not the config of a run (model.init_args and data)")
    return config


def _own(run: Path, name: str) -> Path:
    path = run / "checkpoints" / f"{name}.ckpt"
    if not path.is_file():
        here = ", ".join(sorted(p.stem for p in path.parent.glob("*.ckpt"))) or "none"
        raise RunError(f"{path}: no such checkpoint; checkpoints of this run: {here}")
    return path


def _network(
    run: Path, place: str, entry: Any, networks: Mapping[str, NetworkClass] | None
) -> NetworkSpec:
    config = run / "config.yaml"
    if not isinstance(entry, dict) or not isinstance(entry.get("class_path"), str):
        raise CheckpointError(f"{config}: {place} has no class_path")
    path = entry["class_path"]
    module, _, name = path.rpartition(".")
    known = known_networks(networks)
    ours = module.partition(".")[0] in {"", "scribbleseg"} and name in known_networks()
    if not ours and name not in (networks or {}):
        raise CheckpointError(
            f"{config}: {path} is a network of your own, which nothing imports because a file "
            f"names it; hand it over (--network {path}, in Python networks={{{name!r}: {name}}}), "
            "or export ONNX, which needs no class"
        )
    arguments: dict[str, Any] = dict(entry.get("init_args") or {})
    for key in network_arguments(known[name]) & arguments.keys():
        arguments[key] = _network(run, f"{place}.{key}", arguments[key], networks)
    odd = [
        key
        for key, value in arguments.items()
        if not isinstance(value, NetworkSpec) and not is_plain(value)
    ]
    if odd:
        raise CheckpointError(
            f"{config}: arguments of {name} that are not plain values: {', '.join(sorted(odd))}; "
            "export ONNX instead"
        )
    if "weights" in arguments:
        arguments["weights"] = "none"  # what training began with is in the checkpoint by now
    return NetworkSpec(name, arguments)


def _inference(arguments: Mapping[str, Any]) -> Inference:
    protocol = arguments.get("protocol")
    if protocol is not None:
        if protocol not in PROTOCOLS:
            raise ValueError(f"model.init_args.protocol: {protocol!r} is unknown")
        return PROTOCOLS[protocol]
    given = arguments.get("inference")
    # Runs of earlier versions have no such section.
    return Inference() if given is None else fitted(given, Inference, "model.init_args.inference")


def _with_picture(
    model: ModelDescription,
    data: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    networks: Mapping[str, NetworkClass] | None,
) -> ModelDescription:
    """With what pictures the network takes; colour or grey is what its weights fit."""
    resize = fitted(data.get("resize"), tuple[int, int] | None, "data.resize")
    described = []
    defaults: tuple[tuple[ImageMode, tuple[float, ...], tuple[float, ...]], ...] = (
        ("RGB", IMAGENET_MEAN, IMAGENET_STD),
        ("L", (0.0,), (1.0,)),
    )
    for mode, mean, std in defaults:
        numbers = {
            key: fitted(data.get(key) or list(default), tuple[float, ...], f"data.{key}")
            for key, default in (("mean", mean), ("std", std))
        }
        if all(len(values) == len(mean) for values in numbers.values()):
            described.append(replace(model, picture=Picture(mode, resize=resize, **numbers)))
    if not described:
        raise ValueError("data.mean, data.std: one value each (grey) or three (RGB)")
    return min(
        described, key=lambda candidate: len(differences(candidate, shapes_of(weights), networks))
    )

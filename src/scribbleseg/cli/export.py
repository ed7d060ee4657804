"""``export``: a run's model as a folder or an ONNX file that others can use."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from scribbleseg.cli.console import say
from scribbleseg.cli.explain import explain
from scribbleseg.errors import ConfigError

__all__ = ["run"]


def run(command: str, argv: Sequence[str]) -> int:
    """Write a model folder (safetensors, JSON, model card) or an ONNX file.

    Raises:
        ScribblesegError: Anything a user can mend.
    """
    parser = ArgumentParser(
        prog="scribbleseg export",
        description=(
            "Write the model of a run for others: a folder with safetensors, a JSON description "
            "and a model card, or one ONNX file where OUT ends in .onnx. Nothing in them is code."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("out", type=str, help="Folder, or file that ends in .onnx.")
    parser.add_argument(
        "--run",
        type=str,
        required=True,
        help="Folder of a run; an exported or converted model is taken as well.",
    )
    parser.add_argument(
        "--checkpoint",
        type=str,
        default="last",
        help="last, best, or the path of a .ckpt file.",
    )
    parser.add_argument(
        "--license",
        type=str,
        default="other",
        help="Licence of the weights, for the model card, e.g. cc-by-4.0.",
    )
    parser.add_argument(
        "--network",
        type=str | None,
        default=None,
        help="Import path of a network class of your own, if the run has one.",
    )
    parser.add_argument(
        "--push",
        type=str | None,
        default=None,
        help="user/model: upload the folder to the hub as well.",
    )
    parser.add_argument(
        "--public", action="store_true", help="A new repository on the hub is visible to all."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace an earlier export.")
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    is_onnx = options.out.endswith(".onnx")
    if is_onnx and options.push:
        raise ConfigError("--push: uploads a folder; give OUT the name of a folder")

    # Imported here: --help needs no torch.
    from scribbleseg.exchange import export_onnx, open_model, push_to_hub, save_folder
    from scribbleseg.exchange.hub import is_repository

    if options.push and not is_repository(options.push):
        raise ConfigError(f"--push: {options.push!r} is not user/model")
    networks = {} if options.network is None else _network(options.network)
    net, model = open_model(options.run, checkpoint=options.checkpoint, networks=networks)
    out = Path(options.out)
    if is_onnx:
        parity = export_onnx(net, out, model, overwrite=options.overwrite)
        say(
            f"{out}: onnxruntime and torch differ by {parity.difference:.1e} at most (largest "
            f"logit {parity.largest:.2g}), at {len(parity.shapes)} sizes"
        )
        return 0
    save_folder(
        net,
        out,
        model,
        license=options.license,
        name=options.push,
        overwrite=options.overwrite,
        networks=networks,
    )
    say(f"{out}: {model.network.name}, {model.num_classes} classes; scribbleseg.load({str(out)!r})")
    if options.push:
        say(f"uploaded: {push_to_hub(out, options.push, private=not options.public)}")
    return 0


def _network(path: str) -> Mapping[str, Any]:
    """The class that the user names; only a path from the command line is ever imported."""
    module, _, name = path.rpartition(".")
    try:
        return {name: getattr(importlib.import_module(module), name)}
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"--network: cannot import {path!r} ({error})") from None

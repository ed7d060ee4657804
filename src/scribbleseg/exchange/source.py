"""``scribbleseg.load``: a ready predictor from a folder, a run, or a model on the hub."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import nn

from scribbleseg.errors import CheckpointError
from scribbleseg.exchange.description import ModelDescription
from scribbleseg.exchange.hub import download, is_repository
from scribbleseg.exchange.model_folder import CONFIG, read_folder
from scribbleseg.exchange.network_builder import NetworkClass
from scribbleseg.exchange.predictor import Predictor
from scribbleseg.exchange.run_model import read_run
from scribbleseg.inference import Inference

__all__ = ["load", "open_model"]


def load(
    source: str | Path,
    *,
    device: str = "cpu",
    checkpoint: str = "last",
    revision: str | None = None,
    inference: Inference | None = None,
    networks: Mapping[str, NetworkClass] | None = None,
) -> Predictor:
    """A predictor, ready for pictures: ``label = scribbleseg.load("folder")("picture.jpg")``.

    What is loaded are tensors and plain values; no code, and no class that a file names beside
    those of `scribbleseg.networks`.

    Args:
        source: Folder of an exported or converted model, folder of a run, or ``user/model`` on the
            hub.
        device: Where the network works, e.g. ``cuda``.
        checkpoint: Of a run: ``last``, ``best``, or the path of a ``.ckpt`` file.
        revision: On the hub: branch, tag or commit.
        inference: Scales, mirror images, windows and refinement, instead of the model's own.
        networks: The caller's own network classes, by name.

    Raises:
        CheckpointError: There is nothing, or it is damaged, or of a network that is not known.
        RunError: The run has no such checkpoint.
        ConfigError: There is no such device.
    """
    net, model = open_model(source, checkpoint=checkpoint, revision=revision, networks=networks)
    if inference is not None:
        model = replace(model, inference=inference)
    return Predictor(net, model, device=device)


def open_model(
    source: str | Path,
    *,
    checkpoint: str = "last",
    revision: str | None = None,
    networks: Mapping[str, NetworkClass] | None = None,
) -> tuple[nn.Module, ModelDescription]:
    """The network of a source, in evaluation mode on the host, and its description; see `load`."""
    folder = Path(source)
    if not folder.exists() and is_repository(str(source)):
        return read_folder(download(str(source), revision), networks=networks)
    if (folder / CONFIG).is_file():
        return read_folder(folder, networks=networks)
    if (folder / "config.yaml").is_file():
        return read_run(folder, checkpoint, networks=networks)
    if not folder.is_dir():
        raise CheckpointError(
            f"{source}: no such folder; give the folder of an exported model or of a run, or "
            "user/model on the hub"
        )
    raise CheckpointError(
        f"{folder}: holds neither an exported model ({CONFIG}) nor a run (config.yaml)"
    )

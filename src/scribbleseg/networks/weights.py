"""Pretrained encoder weights: none, the published ImageNet ones, or a file."""

import difflib
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import segmentation_models_pytorch as smp
import timm
import torch
from huggingface_hub import constants, try_to_load_from_cache
from safetensors import SafetensorError
from safetensors.torch import load_file
from segmentation_models_pytorch.encoders import encoders, get_encoder
from timm.models import adapt_input_conv
from torch import Tensor, nn

from scribbleseg.errors import CheckpointError, ConfigError

__all__ = ["build_encoder", "build_with_encoder"]

TIMM = "tu-"
WRAPPERS = ("module.", "model.", "encoder.", "backbone.", "_orig_mod.")
CLASSIFIERS = ("fc.", "head.", "classifier.", "last_linear.", "norm.", "num_batches_tracked")
CONNECT_TIMEOUT_S = 3.0


def build_with_encoder(
    build: Callable[..., smp.base.SegmentationModel],
    encoder: str,
    weights: str,
    in_channels: int,
    **settings: Any,
) -> smp.base.SegmentationModel:
    """A segmentation model on an encoder, with weights for the encoder.

    Args:
        build: Model class of segmentation_models_pytorch.
        encoder: Name of one of its encoders, or ``tu-<name>`` for any of timm.
        weights: ``none`` (random), ``imagenet`` (downloaded once, or from the cache) or the path of
            a ``.safetensors``, ``.pt`` or ``.pth`` file.
        in_channels: Channels of the picture; the first convolution of pretrained weights is
            adapted.
        settings: Further arguments of ``build``.

    Raises:
        ConfigError: There is no such encoder, or it does not fit the model.
        CheckpointError: The weights cannot be had (at once, no retries) or belong to another
            encoder.
    """
    _check_name(encoder)
    is_file = weights not in {"none", "imagenet"}
    if weights == "imagenet":
        _check_download(encoder)
    elif is_file and not Path(weights).is_file():
        raise CheckpointError(f"weights: {weights!r} is neither none, imagenet nor a file")
    chosen: dict[str, Any]
    if encoder.startswith(TIMM):
        chosen = {"encoder_weights": None if weights == "none" else True}
        if is_file:
            # timm's own loader knows how the names of each family map onto the feature extractor,
            # but unpickles whatever the file holds.
            _read(Path(weights))
            chosen["pretrained_cfg_overlay"] = {"file": weights}
    else:
        chosen = {"encoder_weights": "imagenet" if weights == "imagenet" else None}
    try:
        with torch.random.fork_rng(devices=[], enabled=is_file):
            model = build(encoder_name=encoder, in_channels=in_channels, **chosen, **settings)
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:
        what = "" if build is _EncoderAlone else f" {build.__name__}"
        raise ConfigError(f"network: encoder {encoder!r} does not fit{what}: {error}") from None
    except (OSError, RuntimeError, SafetensorError) as error:
        if weights == "none":
            raise
        raise CheckpointError(
            f"weights {weights!r} for encoder {encoder!r}: {str(error).splitlines()[0]}"
        ) from None
    if is_file and encoder.startswith(TIMM):
        untouched = build(
            encoder_name=encoder, in_channels=in_channels, encoder_weights=None, **settings
        )
        _check_loaded(model.encoder, untouched.encoder, Path(weights), encoder)
    elif is_file:
        _load(model.encoder, Path(weights), encoder, in_channels)
    return model


def build_encoder(
    encoder: str, weights: str, in_channels: int, *, output_stride: int = 32
) -> nn.Module:
    """An encoder without a decoder, with weights.

    Args:
        encoder: As for `build_with_encoder`.
        weights: As for `build_with_encoder`.
        in_channels: Channels of the picture.
        output_stride: Stride of the last map; below 32 dilations take the place of strides, which
            not every encoder allows.

    Raises:
        ConfigError: As for `build_with_encoder`.
        CheckpointError: As for `build_with_encoder`.
    """
    alone: nn.Module = build_with_encoder(
        _EncoderAlone, encoder, weights, in_channels, output_stride=output_stride
    ).encoder
    return alone


class _EncoderAlone(nn.Module):
    """What `build_with_encoder` makes where there is no decoder.

    Args:
        encoder_name: Name of the encoder.
        in_channels: Channels of the picture.
        encoder_weights: Weights, in the words of segmentation_models_pytorch.
        settings: Further arguments of the encoder.
    """

    def __init__(
        self,
        encoder_name: str,
        in_channels: int,
        encoder_weights: str | bool | None,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.encoder = get_encoder(
            encoder_name, in_channels=in_channels, weights=encoder_weights, **settings
        )


def _check_name(encoder: str) -> None:
    known = (
        [TIMM + name for name in timm.list_models()]
        if encoder.startswith(TIMM)
        else sorted(encoders)
    )
    name = encoder.split(".", 1)[0]  # timm: what follows the dot names the weights
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {', '.join(close)}? " if close else ""
        raise ConfigError(
            f"network: no encoder {encoder!r}; {hint}any of segmentation_models_pytorch, or "
            "tu-<name> of timm"
        )


def _check_download(encoder: str) -> None:
    """Say at once that weights cannot be downloaded; the library would retry for long first."""
    if encoder.startswith(TIMM):
        settings = timm.get_pretrained_cfg(encoder.removeprefix(TIMM))
        repository = settings.hf_hub_id if settings is not None else None
        revision = None
    else:
        published = encoders[encoder]["pretrained_settings"].get("imagenet")
        repository, revision = (
            (published["repo_id"], published["revision"]) if published else (None, None)
        )
    if repository is None:
        raise CheckpointError(
            f"weights: no ImageNet weights are published for encoder {encoder!r}; use none or a "
            "file"
        )
    if isinstance(try_to_load_from_cache(repository, "model.safetensors", revision=revision), str):
        return
    address = urlsplit(constants.ENDPOINT)
    try:
        if constants.HF_HUB_OFFLINE:
            raise OSError("HF_HUB_OFFLINE is set")
        if not any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
            port = address.port or (443 if address.scheme == "https" else 80)
            socket.create_connection(
                (address.hostname or "", port), timeout=CONNECT_TIMEOUT_S
            ).close()
    except OSError as error:
        raise CheckpointError(
            f"weights: imagenet weights of encoder {encoder!r} are not cached and cannot be "
            f"downloaded ({error}); give the path of a "
            "weight file, set weights to none, or run once with network access"
        ) from None


def _check_loaded(encoder: nn.Module, untouched: nn.Module, path: Path, name: str) -> None:
    """Refuse an encoder in which a weight is still the random one that it was made with.

    timm leaves out what it cannot match, without a word. Both encoders were made from the same
    random state; weights with one axis start at constants and say nothing.
    """
    random = dict(untouched.named_parameters())
    missing = [
        key
        for key, weight in encoder.named_parameters()
        if weight.ndim > 1 and torch.equal(weight, random[key])
    ]
    if missing:
        raise CheckpointError(
            f"{path}: does not hold the weights of encoder {name!r}: {', '.join(missing[:3])} "
            f"not found ({len(missing)} missing)"
        )


def _load(encoder: nn.Module, path: Path, name: str, in_channels: int) -> None:
    """Load a file into an encoder; every weight must be there, classifiers are left out."""
    found = _strip(_read(path), set(encoder.state_dict()))
    wanted = encoder.state_dict()
    state: dict[str, Tensor] = {}
    problems = []
    for key, weight in wanted.items():
        value = found.get(key)
        if (
            value is not None
            and value.ndim == 4
            and value.shape[1] == 3 != weight.shape[1] == in_channels
        ):
            value = adapt_input_conv(in_channels, value)
        if value is None and not key.endswith("num_batches_tracked"):
            problems.append(f"{key} is missing")
        elif value is not None and value.shape != weight.shape:
            problems.append(f"{key} is {tuple(value.shape)}, expected {tuple(weight.shape)}")
        state[key] = weight if value is None else value
    problems += [
        f"{key} is unknown"
        for key in found
        if key not in wanted and not key.startswith(CLASSIFIERS)
    ]
    if problems:
        raise CheckpointError(
            f"{path}: does not hold the weights of encoder {name!r}: {'; '.join(problems[:3])} "
            f"({len(problems)} differences)"
        )
    encoder.load_state_dict(state)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        content: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, "cpu", weights_only=True)
        )
    except (
        Exception
    ) as error:  # whatever a foreign file makes the readers raise, the user needs its name
        raise CheckpointError(
            f"{path}: not a readable weight file ({type(error).__name__}: {str(error)[:200]})"
        ) from None
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise CheckpointError(f"{path}: expected a dictionary of tensors")
    return dict(content)


def _strip(state: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Without the prefix under which another program kept the encoder."""
    best = state
    for prefix in WRAPPERS:
        inner = {
            key.removeprefix(prefix): value
            for key, value in state.items()
            if key.startswith(prefix)
        }
        if len(wanted & inner.keys()) > len(wanted & best.keys()):
            best = inner
    return best

"""A model as one ONNX file: uint8 pictures of any size and number in, logits out.

Normalisation is part of the graph, since mean and standard deviation get lost on the way to another
program. So is the padding that strided networks need: it is computed from the picture's size when
the graph runs. `data.resize` is not: resizing differs from program to program in ways that a graph
cannot prescribe; the size is among the file's properties, and resizing is up to the caller.
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import scribbleseg
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange.description import ModelDescription

__all__ = ["Parity", "export_onnx"]

EXAMPLE = (2, 96, 128)
"""Pictures, height and width with which the graph is recorded; not special afterwards."""

OTHERS = ((1, 75, 111), (3, 97, 64))
"""Other numbers and sizes, at which the file is compared with the network."""

MOST_BYTES = (1 << 31) - 1
"""A protocol buffer cannot be larger."""


@dataclass(frozen=True)
class Parity:
    """How far the file is from the network, on pictures of noise.

    Args:
        difference: Largest difference of a logit.
        largest: Largest logit, for comparison.
        shapes: Pictures, height and width that were compared.
    """

    difference: float
    largest: float
    shapes: tuple[tuple[int, int, int], ...]


def export_onnx(
    net: nn.Module,
    path: str | Path,
    model: ModelDescription,
    *,
    tolerance: float = 1e-3,
    overwrite: bool = False,
) -> Parity:
    """Write a network as ONNX, after onnxruntime has computed with it what torch computes.

    Args:
        net: The network, in evaluation mode on the host; any class.
        path: The file, whole or not at all.
        model: What the network is. Class names, colours, picture mode, mean, standard deviation and
            size become properties of the file, as JSON.
        tolerance: Largest difference of a logit, relative to the largest logit (at least 1).
        overwrite: Replace an existing file.

    Returns:
        How far file and network are apart.

    Raises:
        ConfigError: The packages of the extra ``export`` are missing, or the file exists.
        CheckpointError: The network is too large for one file, cannot be recorded, or onnxruntime
            does not agree with torch.
    """
    path = Path(path)
    _check_packages()
    if path.exists() and not overwrite:
        raise ConfigError(f"{path}: exists; replace it with --overwrite")
    weight_bytes = sum(value.nbytes for value in net.state_dict().values())
    if weight_bytes > MOST_BYTES:
        raise CheckpointError(
            f"{path}: the weights take {weight_bytes / 1e9:.1f} GB, an ONNX file holds 2 GB at most"
        )
    whole = _WholeModel(net.eval(), model)
    proto = _record(whole, path)
    _describe(proto, model)
    parity = _compare(whole, proto.SerializeToString(), path)
    if not parity.difference <= tolerance * max(1.0, parity.largest):
        raise CheckpointError(
            f"{path}: not written: onnxruntime differs from torch by {parity.difference:.2g} "
            f"(largest logit {parity.largest:.3g}, allowed {tolerance:.2g} of it)"
        )
    try:
        with whole_file(path, durable=True) as unfinished:
            unfinished.write_bytes(proto.SerializeToString())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error})") from None
    return parity


class _WholeModel(nn.Module):
    """Normalisation, padding, network, cropping.

    Args:
        net: The network.
        model: Its description.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, model: ModelDescription) -> None:
        super().__init__()
        self.net, self.stride = net, int(getattr(net, "stride", 1))
        for name, values in (("mean", model.picture.mean), ("std", model.picture.std)):
            self.register_buffer(name, torch.tensor(values)[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(B, K, H, W)`` of uint8 pictures ``(B, C, H, W)``."""
        normalised = (image.float() / 255 - self.mean) / self.std
        height, width = image.shape[-2:]
        # The networks pad too, but only if a size needs it: a branch that recording would settle
        # for ever. Sizes in this form are known to be multiples, so theirs is never taken.
        bottom, right = (
            (side + self.stride - 1) // self.stride * self.stride - side for side in (height, width)
        )
        logits: Tensor = self.net(F.pad(normalised, (0, right, 0, bottom)))
        return logits[..., :height, :width]


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"ONNX needs {error.name}, which is not installed: pip install 'scribbleseg[export]'"
        ) from None


def _record(whole: _WholeModel, path: Path) -> Any:
    """The checked graph, with axes of any length for number, height and width."""
    import onnx

    count, height, width = EXAMPLE
    example = torch.zeros(count, len(whole.mean), height, width, dtype=torch.uint8)
    try:
        with _silence():
            program = torch.onnx.export(
                whole,
                (example,),
                dynamo=True,
                verbose=False,
                external_data=False,
                input_names=["image"],
                output_names=["logits"],
                dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
            )
        assert program is not None
        proto: Any = program.model_proto
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # any operation of a network may be one that cannot be recorded
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CheckpointError(f"{path}: the network cannot be recorded: {reason[:200]}") from error
    for value in (proto.graph.input[0], proto.graph.output[0]):
        for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[axis].dim_param = name
    return proto


def _describe(proto: Any, model: ModelDescription) -> None:
    """What a program needs to make pictures of the logits, beside the graph."""
    import onnx

    picture = asdict(model.picture)
    properties = {
        "library": f"scribbleseg {scribbleseg.__version__}",
        "input": "uint8 (batch, channels, height, width), not normalised",
        "output": "logits (batch, classes, height, width) at the input's size",
        "class_names": model.class_names,
        "palette": model.palette,
        **picture,
    }
    onnx.helper.set_model_props(
        proto,
        {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in properties.items()
        },
    )


def _compare(whole: _WholeModel, content: bytes, path: Path) -> Parity:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    rng = np.random.default_rng(0)
    differences, logits = [], []
    shapes = (EXAMPLE, *OTHERS)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base of their own
        raise CheckpointError(_failure(path, error)) from None
    for count, height, width in shapes:
        noise = rng.integers(0, 256, (count, len(whole.mean), height, width)).astype(np.uint8)
        with torch.inference_mode():
            # The network itself, at the size as it is: its own padding counts, not ours.
            image = (torch.from_numpy(noise).float() / 255 - whole.mean) / whole.std
            wanted = whole.net(image).numpy()
        try:
            (found,) = session.run(None, {"image": noise})
        except Exception as error:
            raise CheckpointError(_failure(path, error)) from None
        if found.shape != wanted.shape:
            raise CheckpointError(
                f"{path}: not written: at {count} pictures of {width}x{height} onnxruntime "
                f"returns {found.shape} instead of {wanted.shape}"
            )
        differences.append(np.abs(found - wanted).max())
        logits.append(np.abs(wanted).max())
    return Parity(float(np.max(differences)), float(np.max(logits)), shapes)


def _failure(path: Path, error: Exception) -> str:
    reason = next(iter(str(error).splitlines()), "")[:200]
    return f"{path}: not written: onnxruntime fails: {reason}"


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Recording tells its story by print, log and warnings; what goes wrong is raised as well."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            # About names and arguments that torch, onnxscript and timm use among themselves.
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

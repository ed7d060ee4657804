"""``config.json`` of a model folder: a `ModelDescription` and the hash of the weights beside it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import scribbleseg
from scribbleseg.errors import CheckpointError, ConfigError
from scribbleseg.exchange.description import ModelDescription
from scribbleseg.exchange.typed_value import fitted

__all__ = ["FORMAT", "ConfigFile", "config_text", "read_config", "read_json"]

FORMAT = 1
"""Version of the file's contents."""

MOST_BYTES = 1 << 22
"""A description with 65535 classes has about three million bytes."""


@dataclass(frozen=True)
class ConfigFile:
    """The whole file; its fields are the keys.

    Args:
        format: Version of the contents.
        library: Name and version of what wrote it.
        sha256: Of ``model.safetensors``, hexadecimal.
        model: What the weights belong to.
    """

    format: int
    library: str
    sha256: str
    model: ModelDescription


def config_text(model: ModelDescription, sha256: str) -> str:
    """The file's text."""
    content = ConfigFile(FORMAT, f"scribbleseg {scribbleseg.__version__}", sha256, model)
    return json.dumps(asdict(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_config(path: Path) -> ConfigFile:
    """The content of a file, every value checked.

    Raises:
        CheckpointError: The file is missing, too large, no JSON, of another version, or a value is
            unknown, missing or of another type; the message names it.
    """
    content = read_json(path)
    if not isinstance(content, dict) or "format" not in content:
        raise CheckpointError(f"{path}: was not written by scribbleseg (it has no 'format')")
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{path}: format {str(content['format'])[:20]}, but this version reads {FORMAT}; "
            "update scribbleseg, or export the model again"
        )
    try:
        config: ConfigFile = fitted(content, ConfigFile, "config")
    except (ValueError, ConfigError) as error:
        by = str(content.get("library"))[:30]
        raise CheckpointError(f"{path}: {error} (the file says it is by {by})") from None
    except RecursionError:
        raise CheckpointError(f"{path}: nested too deeply") from None
    return config


def read_json(path: Path) -> Any:
    """The content of a JSON file of at most four megabytes.

    Raises:
        CheckpointError: The file is missing, too large, nested too deeply or no JSON.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    if len(text) > MOST_BYTES:
        raise CheckpointError(f"{path}: larger than {MOST_BYTES} bytes")
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise CheckpointError(f"{path}: nested too deeply") from None
    except ValueError as error:  # JSON and UTF-8 errors, and numbers of thousands of digits
        raise CheckpointError(f"{path}: no JSON ({str(error)[:100]})") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")

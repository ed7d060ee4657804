"""Files of ``name: value`` lines that users write: read, and refused where a name is unknown."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scribbleseg.errors import ConfigError

__all__ = ["mapping_at", "read_fields", "refuse_unknown"]


class UniqueNames(yaml.SafeLoader):
    """Reads plain YAML in which no name stands twice: the second would silently win."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping, before anchors are merged into it."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: {key.value!r} stands there a second time")
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return node


def read_fields(path: Path, what: str) -> dict[str, Any]:
    """The content of a YAML file.

    Args:
        path: The file.
        what: What it should be, for the message, e.g. ``a recipe``.

    Raises:
        ConfigError: It is no YAML, holds something else than names with values, or a name twice.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), UniqueNames)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from None
    return mapping_at(path, what, content)


def mapping_at(path: Path, where: str, value: Any) -> dict[str, Any]:
    """A value of the file, if it is a mapping with texts as names.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{path}: {where} is {value!r}; expected 'name: value' lines")
    return value


def refuse_unknown(
    path: Path, prefix: str, fields: Mapping[str, Any], allowed: Sequence[str]
) -> None:
    """Refuse names that mean nothing.

    Args:
        path: The file.
        prefix: Where in the file the fields stand, with a dot at its end; or nothing.
        fields: The fields.
        allowed: Their names.

    Raises:
        ConfigError: A name is unknown; the message says which there are, and the nearest.
    """
    for key in fields:
        if key not in allowed:
            close = difflib.get_close_matches(key, allowed, n=1)
            hint = f"did you mean {prefix + close[0]!r}? " if close else ""
            raise ConfigError(
                f"{path}: {prefix + key!r} is unknown; {hint}known: {', '.join(allowed)}"
            )

"""Modules that are found by their name in a package, so that adding one is adding a file."""

import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from types import ModuleType

from scribbleseg.errors import ConfigError

__all__ = ["load_named_module", "module_names"]


def module_names(package_path: Sequence[str]) -> list[str]:
    """Names of a package's modules, sorted.

    Args:
        package_path: ``__path__`` of the package.
    """
    return sorted(module.name for module in pkgutil.iter_modules(package_path))


def load_named_module(
    option: str, kind: str, name: str, package: str, known: Sequence[str]
) -> ModuleType:
    """The module called ``name``.

    Args:
        option: Where the name was given, for the messages.
        kind: What such a module is, for the messages.
        name: One of ``known``, or the dotted path of a module of the user's own.
        package: The package of the known ones.
        known: Names of the package's modules that count.

    Raises:
        ConfigError: There is no such module; the message has the nearest name.
    """
    if name not in known and "." not in name:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(
            f"{option}: no {kind} {name!r}; {hint}known: {', '.join(known)}, or a module path a.b.c"
        )
    try:
        return importlib.import_module(f"{package}.{name}" if name in known else name)
    except ImportError as error:
        raise ConfigError(f"{option}: cannot import {name!r} ({error})") from None

"""Published datasets, one module each; found by name, so adding one is adding a file.

A module defines ``PREPARATION``.
"""

import difflib
import importlib
import pkgutil

from scribbleseg.data.preparation.preparation import Preparation
from scribbleseg.errors import ConfigError

__all__ = ["load_preparation", "preparation_names"]


def preparation_names() -> list[str]:
    """Names of the published datasets that can be prepared.

    >>> "voc" in preparation_names()
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_preparation(name: str) -> Preparation:
    """How the dataset called ``name`` is prepared.

    Args:
        name: One of `preparation_names`, or the dotted path of a module of the user's own.

    Raises:
        ConfigError: There is no such dataset.
    """
    known = preparation_names()
    if name not in known and "." not in name:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(
            f"no dataset {name!r}; {hint}known: {', '.join(known)}, or a module path a.b.c"
        )
    try:
        module = importlib.import_module(f"{__name__}.{name}" if name in known else name)
    except ImportError as error:
        raise ConfigError(f"prepare: cannot import {name!r} ({error})") from None
    found = getattr(module, "PREPARATION", None)
    if not isinstance(found, Preparation):
        raise ConfigError(f"prepare: module {name!r} defines no PREPARATION")
    return found

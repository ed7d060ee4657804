"""Published datasets, one module each; found by name, so adding one is adding a file.

A module defines ``PREPARATION``.
"""

from scribbleseg.data.preparation.preparation import Preparation
from scribbleseg.errors import ConfigError
from scribbleseg.named_module import load_named_module, module_names

__all__ = ["load_preparation", "preparation_names"]


def preparation_names() -> list[str]:
    """Names of the published datasets that can be prepared.

    >>> "voc" in preparation_names()
    True
    """
    return module_names(__path__)


def load_preparation(name: str) -> Preparation:
    """How the dataset called ``name`` is prepared.

    Args:
        name: One of `preparation_names`, or the dotted path of a module of the user's own.

    Raises:
        ConfigError: There is no such dataset.
    """
    known = preparation_names()
    module = load_named_module("prepare", "dataset", name, __name__, known)
    found = getattr(module, "PREPARATION", None)
    if not isinstance(found, Preparation):
        raise ConfigError(f"prepare: module {name!r} defines no PREPARATION")
    return found

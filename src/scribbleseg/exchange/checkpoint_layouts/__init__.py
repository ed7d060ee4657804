"""Published checkpoints, one module each; a module is found by its name, as dataset layouts are.

A module defines ``LAYOUT``.
"""

import difflib
import importlib
import pkgutil

from scribbleseg.errors import ConfigError
from scribbleseg.exchange.checkpoint_layout import CheckpointLayout

__all__ = ["checkpoint_layout_names", "load_checkpoint_layout"]


def checkpoint_layout_names() -> list[str]:
    """Names of the layouts that come with the library.

    >>> "csp_unet" in checkpoint_layout_names()
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_checkpoint_layout(name: str) -> CheckpointLayout:
    """The layout called ``name``.

    Args:
        name: One of `checkpoint_layout_names`, or the dotted path of a module of the caller's own.

    Raises:
        ConfigError: There is no such layout.
    """
    known = checkpoint_layout_names()
    if name not in known and "." not in name:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(
            f"--layout: no layout {name!r}; {hint}known: {', '.join(known)}, or a module path a.b.c"
        )
    try:
        module = importlib.import_module(f"{__name__}.{name}" if name in known else name)
    except ImportError as error:
        raise ConfigError(f"--layout: cannot import {name!r} ({error})") from None
    layout = getattr(module, "LAYOUT", None)
    if not isinstance(layout, CheckpointLayout):
        raise ConfigError(f"--layout: module {name!r} defines no LAYOUT")
    return layout

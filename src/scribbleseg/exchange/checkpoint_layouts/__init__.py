"""Published checkpoints, one module each; a module is found by its name, as dataset layouts are.

A module defines ``LAYOUT``.
"""

from scribbleseg.errors import ConfigError
from scribbleseg.exchange.checkpoint_layout import CheckpointLayout
from scribbleseg.named_module import load_named_module, module_names

__all__ = ["checkpoint_layout_names", "load_checkpoint_layout"]


def checkpoint_layout_names() -> list[str]:
    """Names of the layouts that come with the library.

    >>> "csp_unet" in checkpoint_layout_names()
    True
    """
    return module_names(__path__)


def load_checkpoint_layout(name: str) -> CheckpointLayout:
    """The layout called ``name``.

    Args:
        name: One of `checkpoint_layout_names`, or the dotted path of a module of the caller's own.

    Raises:
        ConfigError: There is no such layout.
    """
    known = checkpoint_layout_names()
    module = load_named_module("--layout", "layout", name, __name__, known)
    layout = getattr(module, "LAYOUT", None)
    if not isinstance(layout, CheckpointLayout):
        raise ConfigError(f"--layout: module {name!r} defines no LAYOUT")
    return layout

"""Known datasets, one module each; a module is found by its name, so adding one is adding a file.

A module defines ``LAYOUT``, or ``read_layout(root)`` where the layout depends on what lies in the
folder.
"""

import os
from pathlib import Path

from scribbleseg.data.layout import Layout, find_root
from scribbleseg.errors import ConfigError
from scribbleseg.named_module import load_named_module, module_names

__all__ = ["layout_called_like", "layout_names", "load_layout"]


def layout_names() -> list[str]:
    """Names of the layouts that come with the library.

    >>> "acdc" in layout_names()
    True
    """
    return module_names(__path__)


def layout_called_like(dataset: str) -> str:
    """The layout that a folder's name says; one with a ``dataset.yaml`` describes itself.

    >>> layout_called_like("somewhere/acdc"), layout_called_like("mydata")
    ('acdc', 'folder')
    """
    path = Path(dataset)
    described = (path / "dataset.yaml").is_file()
    return path.name if path.name in layout_names() and not described else "folder"


def load_layout(name: str, root: str) -> tuple[Layout, Path]:
    """The layout called ``name`` and the folder that ``root`` means.

    Args:
        name: One of `layout_names`, or the dotted path of a module of the user's own.
        root: Folder of the dataset as the user wrote it; see `find_root`.

    Raises:
        ConfigError: There is no such layout or folder.
        DataError: The dataset's own description is wrong.
    """
    known = layout_names()
    module = load_named_module("data.layout", "layout", name, __name__, known)
    if hasattr(module, "read_layout"):
        folder = find_root(root, os.environ)
        layout = module.read_layout(folder)
    else:
        layout = getattr(module, "LAYOUT", None)
        folder = find_root(root, os.environ, create=getattr(layout, "generate", None) is not None)
    if not isinstance(layout, Layout):
        raise ConfigError(
            f"data.layout: module {name!r} defines neither LAYOUT nor read_layout(root)"
        )
    return layout, folder

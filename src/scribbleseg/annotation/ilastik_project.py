"""What a pixel classification project of ilastik holds, as plain values.

An ``.ilp`` file is HDF5. Run in a process of its own (`isolated`), for HDF5 is not safe from
damaged files.
"""

import base64
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.hdf5_file import Hdf5File, decoded, open_hdf5
from scribbleseg.annotation.untrusted import MOST_PIXELS
from scribbleseg.errors import DataError

__all__ = ["block_values", "read_project"]

LABELS = "PixelClassification"
MOST_BYTES = 2 << 30
"""Of all blocks together."""


def read_project(path: Path) -> dict[str, Any]:
    """Labels and images of a project.

    Returns:
        ``names`` and ``colors`` of the labels (colours empty if not stored), and ``images``, each
        with its texts ``filePath``, ``nickname``, ``axistags``, ``axisorder``, its ``shape`` (None
        if not stored) and ``blocks``: their ``name``, ``blockSlice``, ``axistags`` (None if not
        stored), ``shape`` and values.

    Raises:
        DataError: It is no such project, is damaged, or holds too much.
    """
    with open_hdf5(path) as file:
        names = file.texts(f"{LABELS}/LabelNames")
        if file.item(f"{LABELS}/LabelNames").attrs.get("isEmpty", False):
            names = []
        colors = _numbers(file, f"{LABELS}/LabelColors") or []
        images, held = [], 0
        for group in file.children(f"{LABELS}/LabelSets"):
            image = _image(file, int(re.sub(r"\D", "", group)[:9] or 0))
            for child in file.children(f"{LABELS}/LabelSets/{group}"):
                block = _block(file, f"{LABELS}/LabelSets/{group}/{child}")
                held += int(np.prod(block["shape"]))
                if held > MOST_BYTES:
                    raise DataError(f"{path}: its labels take more than {MOST_BYTES >> 30} GB")
                image["blocks"].append(block)
            images.append(image)
    return {"names": names, "colors": colors, "images": images}


def _image(file: Hdf5File, number: int) -> dict[str, Any]:
    info = f"Input Data/infos/lane{number:04}/Raw Data"
    texts = ("filePath", "nickname", "axistags", "axisorder")
    image: dict[str, Any] = {text: file.text(f"{info}/{text}") for text in texts}
    image["shape"] = _numbers(file, f"{info}/shape")
    image["blocks"] = []
    return image


def _numbers(file: Hdf5File, name: str) -> Any:
    """Whole numbers as lists; None if there is no such dataset."""
    if file.item(name) is None:
        return None
    data = file.dataset(name)
    if data.dtype.kind not in "iu":
        raise DataError(f"{file.path}: {name} holds {data.dtype}; expected whole numbers")
    return data[()].tolist()


def _block(file: Hdf5File, name: str) -> dict[str, Any]:
    if isinstance(file.item(name), file.h5py.Group):
        raise DataError(f"{file.path}: {name} is a masked image; masks are not read")
    data = file.dataset(name, MOST_PIXELS)
    values = data[()]
    if values.dtype.kind not in "iu" or values.size == 0:
        raise DataError(f"{file.path}: {name} holds {values.shape} of {values.dtype}, no labels")
    if not 0 <= values.min() <= values.max() <= 65535:
        raise DataError(f"{file.path}: {name} holds label {values.max()}; at most 65535")
    packed = zlib.compress(values.astype("<u2").tobytes(), 1)
    tags = data.attrs.get("axistags")
    return {
        "name": name,
        "blockSlice": decoded(data.attrs.get("blockSlice", "")),
        "axistags": None if tags is None else decoded(tags),
        "shape": list(values.shape),
        "values": base64.b64encode(packed).decode(),
    }


def block_values(block: dict[str, Any]) -> NDArray[np.uint16]:
    """The values of a block of `read_project`."""
    packed = base64.b64decode(block["values"])
    return np.frombuffer(zlib.decompress(packed), "<u2").reshape(block["shape"])

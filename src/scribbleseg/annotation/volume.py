"""Volumes and stacks on disk (NIfTI, TIFF) as slices, one volume in memory at a time.

Slices are taken in the order of the file, and so are rows and columns: nothing is turned. That is
what SimpleITK's arrays are, and with them the published slices of ACDC.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.label_image import LabelImage
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.annotation.tiff_pages import count_tiff_pages
from scribbleseg.annotation.untrusted import agreed_size, optional_package
from scribbleseg.errors import DataError, ScribblesegError

__all__ = [
    "NIFTI_SUFFIXES",
    "TIFF_SUFFIXES",
    "Volume",
    "foreign_file",
    "grey_slices",
    "is_volume",
    "read_volume",
    "slice_drawings",
]

NIFTI_SUFFIXES = (".nii", ".nii.gz")
TIFF_SUFFIXES = (".tif", ".tiff")

EXTRA = "formats"
MOST_BYTES = 2 << 30
"""Of a volume in memory."""

MOST_SLICES = 1 << 16

DEFLATE = (8, 32946)
"""Codes of the TIFF compression: zlib, of Adobe and before."""
MOST_DEFLATED = 1032
"""Bytes that one byte of zlib can become."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume as its file holds it.

    Args:
        path: The file.
        stored: ``(Z, H, W)`` of any number type.
        scale: Factor and summand that turn stored into real values.
        spacing: Distance between slices, rows and columns in mm; None if not known.
        orientation: Anatomical directions of the axes such as ``LPS``, empty if not known.
        is_flat: Whether the file holds a picture (no third axis).
    """

    path: Path
    stored: NDArray[Any]
    scale: tuple[float, float] = (1.0, 0.0)
    spacing: tuple[float, float, float] | None = None
    orientation: str = ""
    is_flat: bool = False

    def values(self, index: int) -> NDArray[Any]:
        """One slice ``(H, W)``, scaled."""
        values: NDArray[Any] = self.stored[index]
        return values if self.scale == (1.0, 0.0) else values * self.scale[0] + self.scale[1]


@contextmanager
def foreign_file(path: Path) -> Iterator[None]:
    """Around a library that parses a file: whatever it raises becomes an error for the user.

    None of these libraries says which exceptions a damaged file can cause; they range from
    ``struct.error`` to ``RecursionError``.

    Raises:
        DataError: The library raised something.
    """
    try:
        yield
    except ScribblesegError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason:.200}); export it again") from error


def is_volume(path: Path) -> bool:
    """Whether `read_volume` reads files of this suffix."""
    return path.name.lower().endswith((*NIFTI_SUFFIXES, *TIFF_SUFFIXES))


def read_volume(path: Path) -> Volume:
    """A NIfTI file or a stack of grey TIFF pages.

    Raises:
        DataError: It cannot be read, is no picture or volume, or too large.
        ConfigError: The library for it is not installed.
    """
    nifti = path.name.lower().endswith(NIFTI_SUFFIXES)
    with foreign_file(path):
        volume = _read_nifti(path) if nifti else _read_tiff(path)
    if len(volume.stored) > MOST_SLICES:
        raise DataError(f"{path}: {len(volume.stored)} slices; at most {MOST_SLICES} are read")
    return volume


def _read_nifti(path: Path) -> Volume:
    nibabel = optional_package("nibabel", EXTRA)
    image = nibabel.load(path)
    shape = _checked_shape(path, image.shape, image.get_data_dtype())
    scale = float(image.dataobj.slope), float(image.dataobj.inter)
    if not np.isfinite(scale).all():
        raise DataError(f"{path}: scl_slope and scl_inter are {scale}; expected finite numbers")
    # Its axes are x, y, z; the first is the fastest in the file.
    stored = np.asarray(image.dataobj.get_unscaled()).reshape(shape, order="F").T
    columns, rows, *slices = (
        round(float(zoom), 6) for zoom in image.header.get_zooms()[: len(shape)]
    )
    spacing = (slices[0] if slices else 1.0, rows, columns)
    directed = np.isfinite(image.affine).all()
    return Volume(
        path,
        stored.reshape(-1, *stored.shape[-2:]),
        scale,
        spacing if all(0 < distance < 1e4 for distance in spacing) else None,
        "".join(filter(None, nibabel.aff2axcodes(image.affine))) if directed else "",
        is_flat=len(shape) == 2,
    )


def _read_tiff(path: Path) -> Volume:
    tifffile = optional_package("tifffile", EXTRA)
    count_tiff_pages(path)  # a chain of pages without an end would keep the library busy for hours
    # OME-TIFF names other files, which would be read too.
    with tifffile.TiffFile(path, is_ome=False) as file:
        if len(file.series) != 1 or file.series[0].axes.endswith("S"):
            raise DataError(f"{path}: colours or several series; expected grey pixels, one stack")
        series = file.series[0]
        # Stacks of three or four slices tifffile used to write as planes of colour, axes SYX.
        axes = tuple(length for length in series.shape if length != 1)
        shape = _checked_shape(path, (1,) * (2 - len(axes)) + axes, series.dtype)
        packed, bits = series.keyframe.compression, series.keyframe.bitspersample
        if packed != 1 and packed not in DEFLATE:
            raise DataError(f"{path}: compression {packed!r}; save it with zlib or without")
        held = path.stat().st_size * (1 if packed == 1 else MOST_DEFLATED)
        if math.prod(shape) * bits > 8 * held:
            raise DataError(f"{path}: {_text(shape)} pixels, more than its bytes; export it again")
        if packed != 1:
            for page in filter(None, series.pages):
                _check_packed(path, file.filehandle, page, series.keyframe.nbytes)
        stored = series.asarray().reshape(-1, *shape[-2:])
    if stored.dtype == bool:
        stored = stored.astype(np.uint8)
    return Volume(path, stored, is_flat=len(shape) == 2)


def _checked_shape(path: Path, shape: Sequence[int], dtype: Any) -> tuple[int, ...]:
    """Two or three axes, before anything is allocated for them."""
    axes, kind = tuple(int(length) for length in shape), np.dtype(dtype)
    while len(axes) > 3 and axes[-1] == 1:
        axes = axes[:-1]
    if kind.kind not in "biuf" or len(axes) not in (2, 3):
        raise DataError(
            f"{path}: {_text(axes)} pixels of type {kind}; expected a grey picture or volume"
        )
    if min(axes) < 1 or math.prod(axes) * kind.itemsize > MOST_BYTES:
        raise DataError(
            f"{path}: {_text(axes)} pixels of type {kind}; at most {MOST_BYTES >> 30} GB are read"
        )
    return axes


def _check_packed(path: Path, file: Any, page: Any, size: int) -> None:
    """Refuse a page that would be unpacked to more than its pixels."""
    most = 2 * size + 1024
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        unpacked = zlib.decompressobj().decompress(file.read(min(length, most)), most + 1)
        if len(unpacked) > most:
            raise DataError(f"{path}: more compressed data than pixels; export it again")


def grey_slices(volume: Volume) -> Iterator[NDArray[np.uint8]]:
    """The slices as 8-bit pictures with one scale for the volume, as those of ACDC were made.

    Values above the centre of the first of 256 histogram bins at which the cumulative share
    reaches 0.99 are cut off; then the range of the volume becomes 0..255, rounded half to even
    (WSL4MIS). Volumes of 8 bits stay as they are.

    Raises:
        DataError: A value is NaN, infinite or absurd.
    """
    slices = range(len(volume.stored))
    if volume.stored.dtype == np.uint8 and volume.scale == (1.0, 0.0):
        yield from volume.stored
        return
    lowest = min(float(volume.values(index).min()) for index in slices)
    highest = max(float(volume.values(index).max()) for index in slices)
    if not (abs(lowest) < 1e30 and abs(highest) < 1e30):
        raise DataError(f"{volume.path}: values {lowest} to {highest} are no intensities")
    counts, edges = np.zeros(256, np.int64), np.zeros(257)
    for index in slices:
        some, edges = np.histogram(volume.values(index), 256, (lowest, highest))
        counts += some
    cut = int(np.argmax(np.cumsum(counts) >= 0.99 * counts.sum()))
    top = (edges[cut] + edges[cut + 1]) / 2
    for index in slices:
        share = (np.minimum(volume.values(index), top) - lowest) / ((top - lowest) or 1)
        yield np.rint(255 * share).astype(np.uint8)


def slice_drawings(
    name: str,
    labels: Volume,
    picture: Path | Volume | None,
    label_of: Callable[[str, NDArray[Any]], LabelImage],
    remarks: tuple[str, ...] = (),
) -> Iterator[Drawing]:
    """One drawing a slice, called ``<name>_slice_<z>`` from 0; a flat file is called ``name``.

    Args:
        name: Id of the volume.
        labels: Values of the tool.
        picture: Of the same size as ``labels``; a path for flat files that are pictures themselves.
        label_of: Class indices of a slice of values; told file and slice for its message.
        remarks: For the first slice.

    Raises:
        DataError: Sizes contradict each other, or a slice cannot be used.
    """
    count, *size = labels.stored.shape
    pictures: Iterable[Path | NDArray[np.uint8] | None]
    spacing = labels.spacing
    if isinstance(picture, Volume):
        if picture.stored.shape != labels.stored.shape:
            raise DataError(
                f"{labels.path}: {_text(labels.stored.shape)} slices, rows and columns, but "
                f"{picture.path} has {_text(picture.stored.shape)}"
            )
        ours, theirs = labels.orientation, picture.orientation
        if ours and theirs and ours != theirs:
            remarks += (f"axes {ours}, those of the picture {theirs}; neither was turned",)
        spacing = spacing or picture.spacing
        pictures = grey_slices(picture)
    else:
        if picture is not None and not labels.is_flat:
            raise DataError(f"{labels.path}: {count} slices, but {picture} is a single picture")
        agreed_size(str(labels.path), (size[0], size[1]), picture)
        pictures = repeat(picture)
    if spacing is None and not labels.is_flat:
        remarks += ("distances of slices, rows and columns are not known",)
    for index, shown in zip(range(count), pictures, strict=False):
        title = name if labels.is_flat else f"{name}_slice_{index}"
        yield Drawing(
            title,
            (size[0], size[1]),
            label=label_of(f"{labels.path}: {title}", labels.values(index)),
            picture=shown,
            volume=None if labels.is_flat else name,
            spacing=spacing,
            remarks=remarks if index == 0 else (),
        )


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))

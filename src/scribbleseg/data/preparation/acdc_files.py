"""The files of ACDC in the three forms in which they are passed on.

The challenge's own form, NIfTI, with the scribbles of Valvano et al. beside it or elsewhere::

    patient001/patient001_frame01.nii.gz          also .nii; at any depth
    patient001/patient001_frame01_gt.nii.gz       0..3
    patient001/patient001_frame01_scribble.nii.gz 0..3 drawn, 4 not labelled
    patient001/Info.cfg                           which two frames there are

WSL4MIS, HDF5 with the keys image (0..1), label and scribble (4 not labelled), no spacing::

    ACDC_training_slices/patient001_frame01_slice_0.h5

Slices as pictures: those of this library, or ScribbleACDC::

    images/patient001_frame01_slice_0.png         or JPEGImages/*.jpg
    SegmentationClass/...png                      or SegmentationClassAug
    scribbles/...png                              0..3 drawn, 255 not labelled
    volumes.csv                                   the spacing; may be missing
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.image_file import read_image
from scribbleseg.annotation.label_image import read_label
from scribbleseg.annotation.label_values import label_of_values
from scribbleseg.annotation.untrusted import MOST_PIXELS, files_below, optional_package
from scribbleseg.annotation.volume import Volume, foreign_file, grey_slices, read_volume
from scribbleseg.data.preparation.source_tree import files_by_id, present
from scribbleseg.errors import DataError

__all__ = ["EXTRA", "Bytes", "Scan", "Slices", "find_scans"]

Bytes = NDArray[np.uint8]
Spacing = tuple[float, float, float]

NIFTI = re.compile(r"(patient\d{3}_frame\d{2})(|_gt|_scribble)\.nii(\.gz)?")
SLICE = re.compile(r"(patient\d{3}_frame\d{2})_slice_(\d{1,3})")
FRAME = re.compile(r"^E[DS]:\s*(\d{1,3})\s*$", re.MULTILINE)

UNLABELLED = 255
MASK_VALUES = {0: 0, 1: 1, 2: 2, 3: 3}
SCRIBBLE_VALUES = MASK_VALUES | {4: UNLABELLED}

EXTRA = "formats"
GET = "get ACDC from its home page (humanheart-project.creatis.insa-lyon.fr/database), or WSL4MIS"


class Slices(NamedTuple):
    """The slices of a volume, ``(Z, H, W)`` uint8 each.

    ``spacing`` is that of slices, rows and columns in mm; None if the files do not say.
    """

    images: Bytes
    masks: Bytes
    scribbles: Bytes | None
    spacing: Spacing | None


@dataclass(frozen=True)
class Scan:
    """A volume: one of the two time points of a patient.

    Args:
        name: ``patientPPP_frameFF``.
        sources: Its files.
        has_scribble: Whether it has scribbles.
        read: Reads them; a partial of a function of this module.
    """

    name: str
    sources: tuple[Path, ...]
    has_scribble: bool
    read: Callable[[], Slices]

    @property
    def patient(self) -> int:
        """Number of the patient, from 1."""
        return int(self.name[7:10])


def find_scans(source: Path, scribbles: Path | None) -> list[Scan]:
    """The volumes of a source in any of the three forms, by name.

    Args:
        source: Folder of the data.
        scribbles: Another folder with scribbles: NIfTI, or pictures for the third form. With HDF5,
            which has scribbles but no spacing, NIfTI scribbles tell the spacing.

    Raises:
        DataError: No form is recognised, or files are missing.
    """
    for folder in (source, source / "ACDC_training_slices", source / "data/ACDC_training_slices"):
        if folder.is_dir() and (slices := files_by_id(folder, ".h5")):
            optional_package("h5py", EXTRA)
            return _hdf5_scans(slices, _drawn(scribbles) if scribbles else {})
    for images, masks in (("images", "SegmentationClass"), ("JPEGImages", "SegmentationClassAug")):
        if (source / images).is_dir():
            return _picture_scans(source, images, masks, scribbles)
    found = _nifti(source)
    if not found:
        raise DataError(
            f"{source}: no patientPPP_frameFF_gt.nii.gz at any depth, no ACDC_training_slices/*.h5 "
            f"and no folder images or JPEGImages; {GET}"
        )
    optional_package("nibabel", EXTRA)
    return _nifti_scans(source, found, _drawn(scribbles) if scribbles else found)


def _nifti(folder: Path) -> dict[str, dict[str, Path]]:
    """NIfTI files by volume and kind (nothing, ``_gt``, ``_scribble``)."""
    found: dict[str, dict[str, Path]] = {}
    try:
        paths = files_below(folder, (".nii", ".gz"))
    except DataError:  # none
        return found
    for path in paths:
        match = NIFTI.fullmatch(path.name)
        if match:
            kinds = found.setdefault(match[1], {})
            if match[2] in kinds:
                raise DataError(f"{path} and {kinds[match[2]]} are the same volume; remove one")
            kinds[match[2]] = path
    return found


def _drawn(folder: Path) -> dict[str, dict[str, Path]]:
    """The scribbles in a folder that the user names.

    Raises:
        DataError: There are none.
    """
    found = _nifti(folder)
    if not any("_scribble" in kinds for kinds in found.values()):
        raise DataError(f"{folder}: no patientPPP_frameFF_scribble.nii.gz at any depth")
    return found


def _nifti_scans(
    source: Path,
    found: Mapping[str, Mapping[str, Path]],
    drawn: Mapping[str, Mapping[str, Path]],
) -> list[Scan]:
    scans = []
    for name, kinds in sorted(found.items()):
        if not {"", "_gt"} & kinds.keys():
            continue  # scribbles of a patient who is not here
        if not {"", "_gt"} <= kinds.keys():
            what = "mask (_gt)" if "" in kinds else "picture"
            raise DataError(f"{source}: no {what} of {name}; {GET}")
        scribble = drawn.get(name, {}).get("_scribble")
        sources = (kinds[""], kinds["_gt"], *([scribble] if scribble else ()))
        read = partial(_read_nifti, kinds[""], kinds["_gt"], scribble)
        scans.append(Scan(name, sources, scribble is not None, read))
    _check_frames(scans)
    return scans


def _check_frames(scans: Iterable[Scan]) -> None:
    """Refuse patients of whom a frame is missing that their ``Info.cfg`` names."""
    names = {scan.name for scan in scans}
    for scan in scans:
        path = scan.sources[0].parent / "Info.cfg"
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for frame in FRAME.findall(text):
            wanted = f"patient{scan.patient:03d}_frame{int(frame):02d}"
            if wanted not in names:
                raise DataError(f"{path}: names frame {frame}, but {wanted} is missing; {GET}")


def _read_nifti(picture: Path, mask: Path, scribble: Path | None) -> Slices:
    volume = read_volume(picture)
    return Slices(
        np.stack(list(grey_slices(volume))),
        _labels(volume, read_volume(mask), MASK_VALUES),
        _labels(volume, read_volume(scribble), SCRIBBLE_VALUES) if scribble else None,
        volume.spacing,
    )


def _labels(picture: Volume, labels: Volume, values: Mapping[int, int]) -> Bytes:
    if labels.stored.shape != picture.stored.shape:
        raise DataError(
            f"{labels.path}: {_text(labels.stored)} slices, rows, columns, but {picture.path} has "
            f"{_text(picture.stored)}"
        )
    return np.stack(
        [
            label_of_values(str(labels.path), labels.values(index), values, len(MASK_VALUES))
            for index in range(len(labels.stored))
        ]
    ).astype(np.uint8)


def _text(array: NDArray[Any]) -> str:
    return "x".join(map(str, array.shape))


def _in_order(slices: Mapping[str, Path]) -> dict[str, list[Path]]:
    """The slices of each volume, by its name.

    Raises:
        DataError: A name is not that of a slice, or slices are missing between others.
    """
    found: dict[str, dict[int, Path]] = {}
    for name, path in slices.items():
        match = SLICE.fullmatch(name)
        if match is None:
            raise DataError(
                f"{path}: not called patientPPP_frameFF_slice_Z; is it a slice of ACDC?"
            )
        found.setdefault(match[1], {})[int(match[2])] = path
    for name, numbered in found.items():
        missing = sorted({*range(max(numbered) + 1)} - {*numbered})
        if missing:
            raise DataError(
                f"{name}: no slice {some([str(number) for number in missing])} of "
                f"{max(numbered) + 1}; {GET}"
            )
    return {
        name: [numbered[number] for number in sorted(numbered)]
        for name, numbered in sorted(found.items())
    }


def _hdf5_scans(slices: Mapping[str, Path], drawn: Mapping[str, Mapping[str, Path]]) -> list[Scan]:
    scans = []
    for name, paths in _in_order(slices).items():
        header = drawn.get(name, {}).get("_scribble")
        sources = (*paths, *([header] if header else ()))
        read = partial(_read_hdf5, tuple(paths), header)
        scans.append(Scan(name, sources, has_scribble=True, read=read))
    return scans


def _read_hdf5(paths: tuple[Path, ...], header: Path | None) -> Slices:
    images, masks, scribbles = [], [], []
    for path in paths:
        image, label, scribble = _arrays(path)
        if not 0 <= image.min() <= image.max() <= 1:  # NaN included
            raise DataError(f"{path}: image from {image.min()} to {image.max()}; expected 0..1")
        images.append(np.rint(255 * image.astype(np.float64)).astype(np.uint8))
        masks.append(label_of_values(str(path), label, MASK_VALUES, 4).astype(np.uint8))
        scribbles.append(label_of_values(str(path), scribble, SCRIBBLE_VALUES, 4).astype(np.uint8))
        if images[0].shape != images[-1].shape:
            raise DataError(f"{path}: slice of {_text(image)} in a volume of {_text(images[0])}")
    spacing = read_volume(header).spacing if header else None
    return Slices(np.stack(images), np.stack(masks), np.stack(scribbles), spacing)


def _arrays(path: Path) -> list[NDArray[Any]]:
    """Picture, mask and scribble of a slice; data that lie in another file are not read.

    Raises:
        DataError: The file is damaged, or one of them is missing, elsewhere, or no picture.
    """
    h5py = optional_package("h5py", EXTRA)
    arrays: list[NDArray[Any]] = []
    with foreign_file(path), h5py.File(path, "r") as file:
        for key in ("image", "label", "scribble"):
            if key not in file or not isinstance(file.get(key, getlink=True), h5py.HardLink):
                raise DataError(f"{path}: no {key!r} in the file itself; {GET}")
            data = file[key]
            if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
                raise DataError(f"{path}: {key!r} is not kept in the file itself; {GET}")
            if data.ndim != 2 or not 0 < data.size <= MOST_PIXELS or data.dtype.kind not in "uif":
                raise DataError(
                    f"{path}: {key!r} is {data.dtype} of shape {data.shape}; expected a picture"
                )
            if arrays and data.shape != arrays[0].shape:
                raise DataError(
                    f"{path}: {key!r} is {data.shape}, but the image is {arrays[0].shape}"
                )
            arrays.append(data[()])
    return arrays


def _picture_scans(source: Path, images: str, masks: str, scribbles: Path | None) -> list[Scan]:
    pictures = files_by_id(source / images, ".png") or files_by_id(source / images, ".jpg")
    folder = scribbles or source / "scribbles"
    spacing = _spacings(source / "volumes.csv")
    scans = []
    for name, paths in _in_order(pictures).items():
        labels = [source / masks / f"{path.stem}.png" for path in paths]
        strokes = [folder / f"{path.stem}.png" for path in paths]
        drawn = [path for path in strokes if path.is_file()]
        present("masks", {path.stem: path for path in labels}, get=GET)
        if drawn and len(drawn) < len(strokes):
            raise DataError(
                f"{folder}: scribbles of only {len(drawn)} of {len(strokes)} slices of {name}"
            )
        read = partial(_read_pictures, tuple(paths), tuple(labels), tuple(drawn), spacing.get(name))
        scans.append(Scan(name, (*paths, *labels, *drawn), bool(drawn), read))
    if scribbles is not None and not any(scan.has_scribble for scan in scans):
        raise DataError(f"{scribbles}: no patientPPP_frameFF_slice_Z.png")
    return scans


def _spacings(path: Path) -> dict[str, Spacing]:
    """The spacing of each volume in a ``volumes.csv``; empty without one."""
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {
                f"{row['patient']}_{row['frame']}": (
                    float(row["spacing_z"]),
                    float(row["spacing_y"]),
                    float(row["spacing_x"]),
                )
                for row in csv.DictReader(file)
            }
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: {error}; columns are patient, frame, spacing_z, spacing_y, spacing_x, ..."
        ) from None


def _read_pictures(
    paths: tuple[Path, ...],
    masks: tuple[Path, ...],
    scribbles: tuple[Path, ...],
    spacing: Spacing | None,
) -> Slices:
    images = [read_image(path, "L") for path in paths]
    labels = [read_label(path) for path in (*masks, *scribbles)]
    for path, array in zip((*paths, *masks, *scribbles), (*images, *labels), strict=True):
        if array.shape != images[0].shape:
            raise DataError(f"{path}: {_text(array)} pixels in a volume of {_text(images[0])}")
        if array.max() > UNLABELLED:
            raise DataError(f"{path}: value {array.max()}; expected classes 0..3 or 255")
    stacked = np.stack(labels).astype(np.uint8)
    return Slices(
        np.stack(images),
        stacked[: len(masks)],
        stacked[len(masks) :] if scribbles else None,
        spacing,
    )

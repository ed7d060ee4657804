"""Where a dataset keeps its files, and what its labels mean."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, get_args

from scribbleseg.annotation.id_list import read_list, some
from scribbleseg.annotation.image_file import IMAGE_SUFFIXES, ImageMode, count_pages
from scribbleseg.annotation.label_image import Color
from scribbleseg.data.image_folder import find_images, images_in
from scribbleseg.data.preparation.manifest import made_with
from scribbleseg.errors import ConfigError, DataError

__all__ = [
    "Layout",
    "Record",
    "Supervision",
    "find_folder",
    "find_pictures",
    "find_root",
    "kinds_of",
    "with_scribbles",
]

Supervision = Literal["mask", "scribble", "tags"]

LIST_FOLDERS = ("ImageSets", "ImageSets/Segmentation", "ImageSets/SegmentationAug")
DATA_VARIABLE = "SCRIBBLESEG_DATA"
MANY_PAGES = (".tif", ".tiff")
"""Formats of which a file may hold several pictures."""


class Generator(Protocol):
    """Writes an embedded dataset into a folder that does not exist yet."""

    def __call__(self, root: Path) -> None:
        """Write the dataset into ``root``."""


@dataclass(frozen=True)
class Record:
    """The files of one image and its supervision; None for files that take no part."""

    name: str
    image: Path
    scribble: Path | None = None
    mask: Path | None = None
    supervision: Supervision = "scribble"
    pseudo_label: Path | None = None
    pseudo_confidence: Path | None = None
    scribble_distance: Path | None = None
    pseudo_distance: Path | None = None
    page: int = 0
    """Page of a picture file that holds several."""


def kinds_of(
    names: Sequence[str],
    supervision: Mapping[str, Supervision] | Supervision,
    source: str = "supervision",
) -> dict[str, Supervision]:
    """What each image brings, by id.

    Args:
        names: Ids of the images.
        supervision: One kind for all of them, or the kind of each.
        source: Where that is said, for the message.

    Raises:
        DataError: An image is of no kind.
    """
    if isinstance(supervision, str):
        return dict.fromkeys(names, supervision)
    undeclared = [name for name in names if name not in supervision]
    if undeclared:
        raise DataError(
            f"{source}: no supervision declared for {some(undeclared)}; add lines '<id><tab>"
            f"{'|'.join(get_args(Supervision))}'"
        )
    return {name: supervision[name] for name in names}


@dataclass(frozen=True)
class Layout:
    """Folders, lists and classes of a known dataset. All paths are relative to its root.

    Args:
        name: Name of the dataset, part of the default run folder.
        class_names: In the order of the label values, background (if there is one) first.
        palette: RGB of each class, 0..255.
        images: Folder of the pictures ``<id><suffix>``.
        scribbles: Folder of the sparse label images ``<id>.png``; None if there are none.
        masks: Folder of the full label images ``<id>.png``; None if there are none.
        image_suffixes: Suffixes tried for a picture, in this order.
        image_mode: ``RGB`` or ``L`` (grey): how pictures are decoded.
        ignore_index: Label value of unlabelled pixels, on disk and in a batch.
        background_drawn: Whether the background strokes go around the objects, so that everything
            outside the strokes' convex hull is background (see `annotation.far_background`).
        lists: Names of lists that are not found in the usual folders, and their files.
        tags: File with the image-level tags, for images without scribble and mask.
        volumes: CSV that says which slices make a volume, for 3-D scores.
        raster: Rule and width with which the strokes were drawn, for the run's record.
        generate: Writes the dataset, for embedded ones.
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[Color, ...]
    images: str
    scribbles: str | None
    masks: str | None
    image_suffixes: tuple[str, ...] = (".jpg", ".png")
    image_mode: ImageMode = "RGB"
    ignore_index: int = 255
    background_drawn: bool = False
    lists: Mapping[str, str] = field(default_factory=dict)
    tags: str | None = None
    volumes: str | None = None
    raster: str = "as published"
    generate: Generator | None = None

    def list_path(self, root: Path, name: str) -> Path:
        """The file of a list.

        The layout names it, or it is ``<name>.txt`` in one of the usual folders; ``<path>.txt`` is
        a file from here or below the dataset's root.

        Raises:
            DataError: None of the files exists.
        """
        candidates = self._list_candidates(root, name)
        for path in candidates:
            if path.is_file():
                return path
        known = sorted(
            {
                *self.lists,
                *(p.stem for folder in LIST_FOLDERS for p in (root / folder).glob("*.txt")),
            }
        )
        raise DataError(
            f"list {name!r} not found; looked for {', '.join(map(str, candidates))}; lists here: "
            f"{', '.join(known) or 'none'}"
        )

    def has_list(self, root: Path, name: str) -> bool:
        """Whether there is a list of this name."""
        return any(path.is_file() for path in self._list_candidates(root, name))

    def names(self, root: Path, name: str) -> list[str]:
        """The ids of a list; ``all`` is every picture, unless there is a list of that name.

        ``LIST::8`` is every eighth id of a list, from its first on; ``ONE+OTHER`` has the ids of
        both.

        Raises:
            DataError: The list is missing or wrong, or an id is in both.
        """
        if self.has_list(root, name):  # also one with these characters in its own name
            return read_list(self.list_path(root, name))
        whole, every, step = name.rpartition("::")
        if every and (self.has_list(root, whole) or "+" not in name):
            if not step.isdecimal() or int(step) < 1:
                raise DataError(f"list {name!r}: expected LIST::N with a whole number N above 0")
            return self.names(root, whole)[:: int(step)]
        if "+" in name:
            names = [one for part in name.split("+") for one in self.names(root, part)]
            if twice := sorted(one for one, count in Counter(names).items() if count > 1):
                raise DataError(
                    f"list {name!r}: {some(twice)} listed more than once; join lists that have no "
                    "id in common"
                )
            return names
        if name == "all":
            pictures = images_in(root / self.images, self.image_suffixes)
            return sorted({path.stem for path in pictures})
        return read_list(self.list_path(root, name))

    def records(
        self, root: Path, names: Sequence[str], supervision: Mapping[str, Supervision] | Supervision
    ) -> list[Record]:
        """The files of the images ``names``, for training.

        Args:
            root: Root of the dataset.
            names: Ids of the images.
            supervision: One kind for all of them, or the kind of each; only the files of that kind
                are named.

        Raises:
            DataError: A file is missing; the first ones and their number are listed.
        """
        kinds = kinds_of(names, supervision)
        pictures = find_images(root / self.images, names, self.image_suffixes)
        records = [
            Record(
                name=name,
                image=pictures[name],
                scribble=self._label(root, "scribbles", name)
                if kinds[name] == "scribble"
                else None,
                mask=self._label(root, "masks", name) if kinds[name] == "mask" else None,
                supervision=kinds[name],
            )
            for name in names
        ]
        missing = [
            str(p)
            for r in records
            for p in (r.scribble, r.mask)
            if p is not None and not p.is_file()
        ]
        if missing:
            raise DataError(
                f"{some(missing)} missing; draw them, remove the images from the list, or declare "
                "the images 'tags' only"
            )
        return records

    def evaluation_records(self, root: Path, names: Sequence[str]) -> list[Record]:
        """The pictures of the images ``names``, and their masks where there are any."""
        pictures = find_images(root / self.images, names, self.image_suffixes)
        masks = {name: self._label(root, "masks", name) if self.masks else None for name in names}
        return [
            Record(
                name=name,
                image=pictures[name],
                mask=mask if mask is not None and mask.is_file() else None,
            )
            for name, mask in masks.items()
        ]

    def scribble_path(self, root: Path, name: str) -> Path | None:
        """The scribble of an image, None if there is none; for pictures."""
        path = root / self.scribbles / f"{name}.png" if self.scribbles else None
        return path if path is not None and path.is_file() else None

    def _list_candidates(self, root: Path, name: str) -> list[Path]:
        if name in self.lists:
            return [root / self.lists[name]]
        if name.endswith(".txt"):
            return [Path(name), root / name]
        return [root / folder / f"{name}.txt" for folder in LIST_FOLDERS]

    def _label(self, root: Path, kind: Literal["scribbles", "masks"], name: str) -> Path:
        folder = self.scribbles if kind == "scribbles" else self.masks
        if folder is None:
            raise DataError(
                f"dataset {self.name!r} at {root} has no {kind}; set 'dirs: {kind}: FOLDER' in "
                "its dataset.yaml"
            )
        return root / folder / f"{name}.png"


def find_root(root: str, environment: Mapping[str, str], *, create: bool = False) -> Path:
    """The folder that a data root means.

    A relative one is looked for below ``$SCRIBBLESEG_DATA``, ``../shared/data`` and the working
    directory.

    Args:
        root: Path as the user wrote it; an absolute one is taken as it is.
        environment: Environment variables.
        create: Whether a folder that is in none of these places may be made in the working
            directory (embedded data).

    Raises:
        ConfigError: The folder is in none of these places.
    """
    bases = [environment[DATA_VARIABLE]] if environment.get(DATA_VARIABLE) else []
    candidates = [Path(base) / root for base in (*bases, "../shared/data", ".")]
    if Path(root).is_absolute():
        candidates = [Path(root)]
    for path in candidates:
        if path.is_dir():
            return path
    if create:
        return candidates[-1]
    places = ", ".join(str(path) for path in candidates)
    raise ConfigError(
        f"data.root: no folder {root!r}; looked for {places}; give another folder, or set "
        f"{DATA_VARIABLE}"
    )


def find_folder(option: str, folder: str, root: Path, cure: str) -> Path:
    """The folder that an option of the data names: from here, or below the dataset's root.

    Raises:
        ConfigError: It is in neither place; the message ends with ``cure``.
    """
    candidates = [Path(folder), root / folder]
    for path in candidates:
        if path.is_dir():
            return path
    raise ConfigError(
        f"{option}: no folder {folder!r}; looked for {', '.join(map(str, candidates))}; {cure}"
    )


def with_scribbles(layout: Layout, root: Path, folder: str) -> Layout:
    """The layout with the scribbles of another folder.

    What the folder's manifest says of how they were drawn becomes part of the run's record. It is
    not known whether its background strokes go around the objects: that stays as it was.

    Raises:
        ConfigError: There is no such folder.
    """
    path = find_folder(
        "data.scribbles", folder, root, "'scribbleseg simulate' and 'perturb' make one"
    )
    settings = made_with(path)
    raster = json.dumps(settings) if settings is not None else f"not stated ({folder})"
    return replace(layout, scribbles=str(path.resolve()), raster=raster)


def find_pictures(source: Path) -> list[Record]:
    """One picture file, or every picture below a folder.

    Ids are relative to the folder and without suffix; each page of a file with several is a picture
    ``<id>/<page>``, counted from 1.

    Raises:
        DataError: There is nothing, or two pictures differ in their suffix alone.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    paths = [source]
    folder = source.parent
    if source.is_dir():
        folder = source
        paths = sorted(
            path
            for path in source.rglob("*")
            if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
        )
    if not paths:
        raise DataError(
            f"{source}: no pictures; looked for {', '.join(sorted(set(IMAGE_SUFFIXES)))}"
        )
    records: dict[str, Record] = {}
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        pages = _pages(path)
        for page in range(pages):
            one = f"{name}/{page + 1}" if pages > 1 else name
            if one in records:
                raise DataError(
                    f"{path} and {records[one].image} would both be predicted as {one}.png; rename "
                    "one"
                )
            records[one] = Record(one, path, page=page)
    return list(records.values())


def _pages(path: Path) -> int:
    if path.suffix.lower() not in MANY_PAGES:
        return 1
    try:
        return count_pages(path)
    except DataError:  # said when it is read, or skipped then
        return 1

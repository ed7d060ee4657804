"""Published scribbles: XML strokes or label images, in whatever folder their authors chose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scribbleseg.annotation.formats import Classes, Entry, load_format
from scribbleseg.annotation.formats import Options as FormatOptions
from scribbleseg.annotation.id_list import some
from scribbleseg.annotation.label_image import read_label
from scribbleseg.annotation.raster import Raster, rasterise
from scribbleseg.data.layout import Layout
from scribbleseg.data.preparation.labelled_images import Label, LabelFile
from scribbleseg.data.preparation.preparation import Options
from scribbleseg.data.preparation.source_tree import files_by_id
from scribbleseg.errors import ConfigError, DataError

__all__ = [
    "ScribbleFiles",
    "find_scribbles",
    "find_variants",
    "read_index_label",
    "scribble_remarks",
]

VARIANTS = ("r1", "r2", "r3")
GENERATED = "scribble_gt"
"""Where the generator of CSPNet's simulated scribbles puts them, within its output folder."""


@dataclass(frozen=True)
class ScribbleFiles:
    """The scribbles of a dataset.

    Args:
        folder: Where they are.
        files: The file of each id: all XML, or all PNG.
        raster: Rule by which strokes become pixels; None for label images.
        kind: Key of the pixel counts in the facts.
    """

    folder: Path
    files: dict[str, Path]
    raster: Raster | None = None
    kind: str = "scribble"

    def label_files(self, name: str, layout: Layout) -> list[LabelFile]:
        """The scribble of an image, for the layout's folder and classes; none without a file."""
        if name not in self.files:
            return []
        read = read_index_label
        if self.raster is not None:
            classes = Classes(layout.class_names, layout.palette)
            read = partial(_read_strokes, classes=classes, raster=self.raster)
        return [LabelFile(self.kind, self.files[name], f"{layout.scribbles}/{name}.png", read)]


def find_scribbles(
    root: Path, options: Options, folders: Sequence[str], *, default: Raster, get: str
) -> ScribbleFiles | None:
    """The scribbles in the first folder that holds any: where the user says, or in the source.

    Args:
        root: The dataset.
        options: ``scribbles`` and ``raster`` are used; with a raster, only strokes will do.
        folders: Their published names, the best ones first; looked for in the dataset and beside
            it.
        default: The rule for strokes if the user asks for none.
        get: Where they can be had.

    Returns:
        None if there are none, and the user named no folder.

    Raises:
        ConfigError: A raster is asked for, but the scribbles are label images already.
        DataError: There are none where the user says, or a folder holds both kinds.
    """
    if options.scribbles is not None:
        places = [options.scribbles, *(options.scribbles / name for name in folders)]
    else:
        places = [above / name for name in folders for above in (root, root.parent)]
    drawn_already = None
    for folder in places:
        if not folder.is_dir():
            continue
        strokes, images = files_by_id(folder, ".xml"), files_by_id(folder, ".png")
        if strokes and images:
            raise DataError(
                f"{folder}: holds XML and PNG files; give the folder of one kind: --scribbles DIR"
            )
        if strokes:
            return ScribbleFiles(folder, strokes, options.raster or default)
        if images and options.raster is None:
            return ScribbleFiles(folder, images)
        if images:
            drawn_already = drawn_already or folder
    if drawn_already is not None:
        raise ConfigError(
            f"--rule: the scribbles in {drawn_already} are label images, which are not drawn "
            "again; leave it out, or give the folder of the XML files: --scribbles DIR"
        )
    if options.scribbles is not None:
        raise DataError(
            f"{options.scribbles}: no scribbles <id>.xml or <id>.png; looked for "
            f"{', '.join(folders)} there; {get}"
        )
    return None


def find_variants(
    root: Path, options: Options, folders: Sequence[str], *, tail: str = ""
) -> dict[str, ScribbleFiles]:
    """The published sets of simulated scribbles, by variant; the first decides about tags.

    Args:
        root: The dataset.
        options: ``scribbles`` and ``variant`` are used. A folder that holds label images itself is
            one variant, ``r1`` unless the user says which.
        folders: Spellings of their folders, ``{}`` for the variant.
        tail: What may stand between an id and ``.png``.

    Raises:
        DataError: There are none where the user says, or not the one that is asked for.
    """
    base = options.scribbles or root
    found: dict[str, ScribbleFiles] = {}
    for variant in VARIANTS if options.variant is None else (options.variant,):
        names = [spelling.format(variant) for spelling in folders]
        places = [base / name / inner for name in names for inner in (GENERATED, ".")]
        if options.scribbles is not None and variant == (options.variant or VARIANTS[0]):
            places += [base / GENERATED, base]
        for folder in places:
            files = files_by_id(folder, ".png") if folder.is_dir() else {}
            if files:
                kind = f"scribble {variant}" if found else "scribble"
                named = {name.removesuffix(tail): path for name, path in files.items()}
                found[variant] = ScribbleFiles(folder, named, kind=kind)
                break
    if not found and (options.scribbles is not None or options.variant is not None):
        spelled = ", ".join(spelling.format(options.variant or "r1") for spelling in folders)
        raise DataError(f"{base}: no scribbles <id>.png; looked for {spelled} there")
    return found


def scribble_remarks(
    scribbles: ScribbleFiles | None, wanted: Sequence[str], *, get: str
) -> Iterator[str]:
    """Says which training images have no scribble.

    Args:
        scribbles: What was found.
        wanted: Ids of the training images.
        get: Where scribbles can be had.
    """
    if scribbles is None:
        yield f"no scribbles: {get}"
        return
    lacking = [name for name in wanted if name not in scribbles.files]
    if lacking:
        yield (
            f"{scribbles.folder}: no scribble for {some(lacking)} ({len(lacking)} of {len(wanted)} "
            "training images)"
        )


def read_index_label(path: Path) -> Label:
    """A label image as it is; three equal channels are taken for one."""
    return Label(read_label(path))


def _read_strokes(path: Path, *, classes: Classes, raster: Raster) -> Label:
    """The label image of a ScribbleSup file."""
    form = load_format("scribblesup_xml")
    (drawing,) = form.read(Entry(path.stem, path), FormatOptions(classes=classes))
    remarks = tuple(f"{path.name}: {remark}" for remark in drawing.remarks)
    return Label(rasterise(drawing, classes.index, raster), remarks)

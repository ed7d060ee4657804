"""What one file of an annotation tool holds, and what is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.audit import check_label
from scribbleseg.annotation.formats.format import Entry
from scribbleseg.annotation.image_file import image_size, read_image, verify_image
from scribbleseg.annotation.label_image import LabelImage
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.data.annotation_reading import Reading, dots, points_outside, strokes_of
from scribbleseg.data.finding import Finding, Kind, Problem, Scene
from scribbleseg.data.preparation.annotation_import import picture_of
from scribbleseg.errors import ConfigError, DataError

__all__ = ["EntryAudit", "PictureAudit", "audit_entry", "entry_scenes"]


@dataclass(frozen=True)
class PictureAudit:
    """What is drawn in one picture.

    Args:
        name: Id of the picture.
        size: Its height and width.
        pixels: Labelled pixels by value, of the classes that are there.
        remarks: What the reader has to say.
        problems: What is wrong, and the number of points or strokes that are concerned.
    """

    name: str
    size: tuple[int, int]
    pixels: Mapping[int, int]
    remarks: tuple[str, ...]
    problems: Mapping[Problem, int]


@dataclass(frozen=True)
class EntryAudit:
    """What is drawn in the pictures of one entry, and what cannot be used."""

    pictures: list[PictureAudit] = field(default_factory=list)
    errors: list[Finding] = field(default_factory=list)


def audit_entry(reading: Reading, entry: Entry) -> EntryAudit:
    """Read one entry, one picture in memory at a time; what is wrong is said, not raised.

    Raises:
        ConfigError: A library is missing, or the options do not fit the format.
    """
    audit = EntryAudit()
    try:
        for drawing in reading.drawings(entry):
            _audit_drawing(audit, reading, entry, drawing)
    except DataError as error:
        problems = _reasons(reading, entry, str(error))
        audit.errors.append(Finding("error", str(error), problems))
    except OSError as error:
        message = f"{error.filename or entry.source}: {error.strerror or error}"
        audit.errors.append(Finding("error", message))
    return audit


def _audit_drawing(audit: EntryAudit, reading: Reading, entry: Entry, drawing: Drawing) -> None:
    where = str(entry.source)
    if Path(drawing.name).name != entry.source.stem:  # one of several in the file
        where += f": {drawing.name}"
    names = reading.classes.names
    try:
        picture = picture_of(entry, drawing)
        if isinstance(picture, Path):
            verify_image(picture)
    except DataError as error:
        problems = _other_size(entry, drawing, str(error))
        audit.errors.append(Finding("error", str(error), problems))
    if drawing.label is not None:
        stored = reading.stored_label(drawing)
        try:
            check_label(
                Path(where), stored, num_classes=len(names), ignore_index=reading.unlabelled
            )
        except DataError as error:
            problem = _problem("values", entry, drawing, str(error))
            audit.errors.append(Finding("error", str(error), (problem,)))
            return
    counts = np.bincount(reading.label(drawing).ravel(), minlength=len(names))[: len(names)]
    found: list[tuple[Kind, int, str]] = [
        ("empty", int(not counts.any()), "no pixel is labelled"),
        ("outside", len(points_outside(drawing)), "points outside the picture: {}"),
    ]
    if reading.raster.rule == "reference-1px":
        found.append(("dots", len(dots(drawing)), "strokes of one point, which draw nothing: {}"))
    audit.pictures.append(
        PictureAudit(
            drawing.name,
            drawing.size,
            {value: int(counts[value]) for value in np.flatnonzero(counts).tolist()},
            drawing.remarks,
            {
                _problem(kind, entry, drawing, f"{where}: {text.format(count)}"): count
                for kind, count, text in found
                if count
            },
        )
    )


def _reasons(reading: Reading, entry: Entry, message: str) -> tuple[Problem, ...]:
    """What can be seen of an entry that its reader refuses: values that are no class, or sizes."""
    with suppress(DataError, ConfigError):
        wrong = [
            _problem("values", entry, drawing, message)
            for drawing, label in reading.drawings_of_any_value(entry)
            if ((label >= len(reading.classes.names)) & (label != reading.unlabelled)).any()
        ]
        if wrong:
            return tuple(wrong)
    with suppress(DataError):
        for drawing in reading.drawings_without_picture(entry):
            return _other_size(entry, drawing, message)
    return ()


def _other_size(entry: Entry, drawing: Drawing, message: str) -> tuple[Problem, ...]:
    """How it can be seen that a drawing has another size than its picture; none if it has not."""
    picture = _picture(entry, drawing)
    if picture is None:
        return ()
    try:
        size = image_size(picture) if isinstance(picture, Path) else picture.shape[:2]
    except DataError:
        return ()
    return (_problem("size", entry, drawing, message),) if size != drawing.size else ()


def _problem(kind: Kind, entry: Entry, drawing: Drawing, caption: str) -> Problem:
    picture = _picture(entry, drawing)
    path = picture if isinstance(picture, Path) else None
    return Problem(kind, drawing.name, caption, path, entry=entry.name)


def _picture(entry: Entry, drawing: Drawing) -> Path | NDArray[np.uint8] | None:
    return drawing.picture if drawing.picture is not None else entry.picture


def entry_scenes(
    reading: Reading, entry: Entry, problems: Sequence[Problem]
) -> Iterator[tuple[Problem, Scene]]:
    """The scenes of the problems of one kind in one entry, which is read once more.

    Raises:
        DataError: It cannot be read.
        ConfigError: As `audit_entry`.
    """
    left = {problem.name: problem for problem in problems}
    drawn = _drawn(reading, entry, problems[0].kind, left)
    while left and (found := next(drawn, None)) is not None:
        drawing, label = found
        problem = left.pop(drawing.name)
        picture = drawing.picture if problem.picture is None else problem.picture
        if isinstance(picture, Path):
            try:
                picture = read_image(picture)
            except DataError:  # said in a line of its own
                picture = None
        if problem.kind == "size" and picture is None:
            continue
        points = {"outside": points_outside, "dots": dots}.get(problem.kind)
        scene = Scene(
            picture,
            label,
            reading.classes.names,
            reading.classes.palette,
            reading.unlabelled,
            strokes=strokes_of(drawing),
            marked=points(drawing) if points is not None else np.zeros((0, 2)),
        )
        yield problem, scene


def _drawn(
    reading: Reading, entry: Entry, kind: Kind, names: Mapping[str, Problem]
) -> Iterator[tuple[Drawing, LabelImage]]:
    """The drawings with these names, and what is to be shown of them."""
    if kind == "values":
        for drawing, label in reading.drawings_of_any_value(entry):
            if drawing.name in names:
                yield drawing, label
        return
    read = reading.drawings_without_picture if kind == "size" else reading.drawings
    for drawing in read(entry):
        if drawing.name in names:
            yield drawing, reading.label(drawing)

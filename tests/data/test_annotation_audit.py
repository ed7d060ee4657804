import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from tests.data.preparation.test_annotation_import import LINES, SIZE, read_volume

from scribbleseg.annotation import read_label
from scribbleseg.annotation.formats import Classes, Entry, Format, Found, Options, load_format
from scribbleseg.annotation.image_file import image_size
from scribbleseg.annotation.raster import Raster
from scribbleseg.annotation.stroke import Drawing
from scribbleseg.data.annotation_audit import AnnotationAudit, audit_annotations
from scribbleseg.data.preparation.annotation_import import import_annotations
from scribbleseg.data.problem_folder import write_problem_pictures
from scribbleseg.errors import ConfigError, DataError


def find_quietly(source: Path, options: Options) -> Found:
    return replace(LINES.find(source, options), remarks=())


QUIET = replace(LINES, find=find_quietly)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three pictures in which both classes are drawn."""
    folder = tmp_path / "src"
    folder.mkdir()
    for index, name in enumerate("abc"):
        Image.new("RGB", SIZE[::-1], (40 * index, 90, 60)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("background 1 1 25 1\ncat 5 5 20 15\n")
    return folder


def audit(source: Path, form: Format = QUIET, **options: Any) -> AnnotationAudit:
    return audit_annotations(form, source, options=Options(), **options)


def messages(report: AnnotationAudit) -> list[str]:
    return [f"{finding.level}: {finding.message}" for finding in report.findings]


@pytest.mark.parametrize("workers", [1, 2])
def test_counts_are_those_of_the_dataset_that_would_be_made(
    source: Path, tmp_path: Path, workers: int
) -> None:
    (source / "c.txt").write_text("background 1 1 25 1\n")
    report = audit(source, workers=workers)
    assert report.findings == ()
    assert report.exit_code == 0
    assert report.class_names == ("background", "cat")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["src"]  # nothing is written
    assert report.labels is not None
    assert (report.labels.images, report.labels.sizes) == (3, {SIZE: 3})
    assert report.labels.images_with.tolist() == [3, 2]
    import_annotations(LINES, source, tmp_path / "out", options=Options())
    labels = [read_label(path) for path in sorted((tmp_path / "out/scribbles").iterdir())]
    pixels = [sum(int((label == value).sum()) for label in labels) for value in (0, 1)]
    assert report.labels.pixels.tolist() == pixels
    assert report.labels.labelled_fraction == sum(pixels) / (3 * 600)


def test_the_rule_is_the_user_s(source: Path) -> None:
    thick, thin = (audit(source, raster=raster) for raster in (None, Raster("reference-1px")))
    assert thick.labels is not None
    assert thin.labels is not None
    assert thin.labels.pixels[0] == 3 * 25 < thick.labels.pixels[0]


def test_progress_is_told(source: Path) -> None:
    told: list[tuple[int, int]] = []
    audit(source, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def resize(source: Path) -> None:
    Image.new("RGB", (31, 20)).save(source / "b.png")


def undrawn(source: Path) -> None:
    for name in "abc":
        (source / f"{name}.txt").write_text("cat 5 5 20 15\n")


BAD: dict[str, tuple[Callable[[Path], Any], str, tuple[str, ...]]] = {
    "unreadable picture": (
        lambda s: (s / "b.png").write_bytes(b"x"),
        "error: .../b.png: not a picture (1 bytes); export it again as PNG or JPEG",
        (),
    ),
    "no picture": (lambda s: (s / "b.png").unlink(), "error: .../b.png: no such file", ()),
    "size": (
        resize,
        "error: .../b.txt: drawn on 30x20 pixels, but .../b.png is 31x20; is it the same picture?",
        ("size_b",),
    ),
    "wrong file": (
        lambda s: (s / "b.txt").write_text("cat 1 nan 3 3\n"),
        "error: .../b.txt: bad point in 'cat 1 nan 3 3'",
        (),
    ),
    "unknown class": (
        lambda s: (s / "b.txt").write_text("dog 1 2 3 3\n"),
        "error: b: class 'dog' is unknown; classes are background, cat",
        (),
    ),
    "empty": (
        lambda s: (s / "b.txt").write_text(""),
        "error: nothing is drawn in 1 of 3 pictures: b; draw something, remove the pictures, or "
        "train with --data.allow_empty true",
        ("empty_b",),
    ),
    "background": (
        undrawn,
        "error: ...: class 'background' is drawn in none of 3 pictures, so that nothing would "
        "teach a network what is no object; draw a few strokes of it, name the right class first "
        "(--classes), or import with --without_background",
        (),
    ),
    "outside": (
        lambda s: [(s / f"{n}.txt").write_text("background 1 1 2 1\ncat 9 9 70 9\n") for n in "ab"],
        "warning: points lie outside the picture in 2 of 3 pictures (2 in all): a, b; what lies "
        "outside is not drawn",
        ("outside_a", "outside_b"),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_findings(source: Path, tmp_path: Path, case: str) -> None:
    spoil, message, pictures = BAD[case]
    spoil(source)
    report = audit(source)
    assert messages(report) == [message.replace("...", str(source))]
    assert report.exit_code == (2 if message.startswith("error") else 1)
    written = write_problem_pictures(tmp_path / "out", report)
    assert tuple(path.stem for path in written) == pictures


def test_everything_wrong_is_found_in_one_go(source: Path) -> None:
    resize(source)
    (source / "a.txt").write_text("cat 1 nan 3 3\n")
    (source / "c.txt").write_text("cat 1 1 200 3\n")
    report = audit(source)
    assert [finding.level for finding in report.findings] == ["error", "error", "warning"]
    assert report.labels is not None
    assert report.labels.images == 2


def test_a_class_that_nobody_drew_is_a_warning(source: Path) -> None:
    classes = Classes(("background", "cat", "dog"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    report = audit_annotations(QUIET, source, options=Options(classes=classes))
    assert messages(report) == ["warning: 1 of 3 classes are drawn in no picture: dog"]


def test_dots_that_the_rule_does_not_draw(source: Path, tmp_path: Path) -> None:
    (source / "b.txt").write_text("background 1 1 25 1\ncat 9 9\ncat 8 8\n")
    assert audit(source).findings == ()
    report = audit(source, raster=Raster("reference-1px"))
    assert messages(report) == [
        "warning: strokes of one point draw nothing in 1 of 3 pictures (2 in all): b; choose "
        "another --rule, or a point more"
    ]
    assert [path.name for path in write_problem_pictures(tmp_path / "out", report)] == [
        "dots_b.jpg"
    ]


def remarks_of(entry: Entry, options: Options) -> Iterator[Drawing]:
    """What LINES reads, with remarks as readers make them."""
    for drawing in LINES.read(entry, options):
        remarks = ("2 of class 'dog' left out", "3 points outside the picture", "seen twice")
        yield replace(drawing, remarks=remarks[: 3 - "abc".index(entry.name)])


def test_remarks_are_summed_up_and_not_said_twice(source: Path) -> None:
    (source / "a.txt").write_text("background 1 1 25 1\ncat 9 9 70 9\n")
    report = audit(source, replace(QUIET, read=remarks_of))
    assert messages(report)[1:] == [
        "warning: 6 of class 'dog' left out (in 3 of 3 pictures: a, b, c)",
        "warning: seen twice (in 1 of 3 pictures: a)",
        # of b the reader knows more than the points of strokes say
        "warning: 3 points outside the picture (in 1 of 3 pictures: b)",
    ]
    assert "1 in all" in messages(report)[0]
    assert messages(audit(source, LINES))[-1] == "warning: old tool"


def test_files_that_cannot_be_listed(tmp_path: Path) -> None:
    form = replace(QUIET, find=lambda source, options: Found([]))
    report = audit(tmp_path, form)
    assert messages(report) == [f"error: {tmp_path}: nothing to import; expected *.txt"]
    assert (report.exit_code, report.labels) == (2, None)
    assert json.loads(json.dumps(report.as_dict()))["labels"] is None
    assert write_problem_pictures(tmp_path / "out", report) == {}
    report.print(Console(file=io.StringIO()))


def test_where_the_pictures_are_has_to_be_said(source: Path) -> None:
    def find(folder: Path, options: Options) -> Found:
        found = find_quietly(folder, options)
        return replace(found, entries=[replace(entry, picture=None) for entry in found.entries])

    report = audit(source, replace(QUIET, find=find))
    assert messages(report)[0] == (
        f"error: {source / 'a.txt'}: no picture for 'a'; say where the pictures are: --images DIR"
    )
    assert len(report.findings) == 3


def test_ids_that_occur_twice(source: Path) -> None:
    def find(folder: Path, options: Options) -> Found:
        found = LINES.find(folder, options)
        return replace(found, entries=[*found.entries, replace(found.entries[0], name="A")])

    report = audit(source, replace(LINES, find=find))
    assert f"error: {source}: two pictures would have one id: 'a' and 'A'; rename one" in (
        messages(report)
    )


def test_what_only_the_user_can_say_stops_it(source: Path) -> None:
    form = replace(QUIET, find=lambda source, options: Found([Entry("a", source / "a.txt")]))
    with pytest.raises(ConfigError, match="do not name their classes; give them in the order"):
        audit(source, form)


def test_slices_of_volumes(source: Path, tmp_path: Path) -> None:
    def read(entry: Entry, options: Options) -> Iterator[Drawing]:
        for index, drawing in enumerate(read_volume(entry, options)):
            label = np.full(SIZE, 255, np.uint8)
            label[0, 0] = 7 if (entry.name, index) == ("b", 1) else 1
            marks = drawing.marks if (entry.name, index) != ("c", 2) else ()
            yield replace(drawing, label=label, marks=marks)

    report = audit(source, replace(QUIET, read=read))
    assert messages(report) == [
        f"error: {source / 'b.txt'}: b_slice_1: label 7 on 1 pixels; expected 0..1 or 255 "
        "(unlabelled). Is the class list complete? Were palette colours saved as grey values?"
    ]
    assert report.labels is not None
    assert report.labels.images == 8
    written = write_problem_pictures(tmp_path / "out", report)
    assert [path.name for path in written] == ["values_b_slice_1.jpg"]
    with Image.open(tmp_path / "out/values_b_slice_1.jpg") as image:
        red, green, blue = np.asarray(image.convert("RGB"))[18, 18].tolist()
    assert min(red, blue) > 150 > 60 > green


def test_values_too_large_for_the_classes_do_not_wrap(source: Path) -> None:
    def read(entry: Entry, options: Options) -> Iterator[Drawing]:
        label = np.full(SIZE, 65535, np.uint16)
        label[0, :2] = 0, 1
        label[5, 5] = {"a": 256, "b": 255}.get(entry.name, 65535)
        yield Drawing(entry.name, SIZE, label=label)

    report = audit(source, replace(QUIET, read=read))
    assert [message[:60] for message in messages(report)] == [
        f"error: {source / 'a.txt'}: label 256 on 1 pixels"[:60]
    ]


def test_a_size_that_the_reader_itself_refuses_is_shown(source: Path, tmp_path: Path) -> None:
    def read(entry: Entry, options: Options) -> Iterator[Drawing]:
        if entry.picture is not None and image_size(entry.picture) != SIZE:
            raise DataError(f"{entry.source}: another size")
        yield from LINES.read(entry, options)

    resize(source)
    report = audit(source, replace(QUIET, read=read))
    assert messages(report) == [f"error: {source / 'b.txt'}: another size"]
    assert [path.name for path in write_problem_pictures(tmp_path / "out", report)] == [
        "size_b.jpg"
    ]


def test_a_picture_of_another_size_that_cannot_be_read_is_not_shown(
    source: Path, tmp_path: Path
) -> None:
    Image.new("I;16", (31, 20)).save(source / "b.png")
    report = audit(source)
    assert "b.png is 31x20" in messages(report)[0]
    assert write_problem_pictures(tmp_path / "out", report) == {}


def test_labelme(drawn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tool"
    folder.mkdir()
    for index in range(3):
        shutil.copy(drawn / f"images/cell {index}.png", folder)
        size = (48, 64) if index else (64, 48)
        shapes = [
            {"label": name, "points": points, "shape_type": "linestrip", "flags": {}}
            for name, points in (
                ("background", [[3, 3], [60, 3]]),
                ("disc", [[10, 24], [90 if index == 1 else 22, 24]]),
            )
        ]
        content = {"version": "5.5.0", "shapes": shapes, "imagePath": f"cell {index}.png"}
        content |= {"imageData": None, "imageHeight": size[0], "imageWidth": size[1]}
        (folder / f"cell {index}.json").write_text(json.dumps(content))
    report = audit(folder, load_format("labelme"))
    assert [finding.level for finding in report.findings] == ["error", "warning"]
    assert "drawn on 48x64 pixels" in report.findings[0].message
    assert "1 in all): cell 1" in report.findings[1].message
    written = write_problem_pictures(tmp_path / "out", report)
    assert {path.name for path in written} == {"outside_cell 1.jpg", "size_cell 0.jpg"}


def test_index_pngs(drawn: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(drawn / "scribbles", tmp_path / "labels"))
    for path in folder.iterdir():
        label = read_label(path).copy()
        label[label == 255] = 3
        label[0, 0] = 9 if path.stem == "cell 1" else 3
        Image.fromarray(label.T if path.stem == "cell 4" else label).save(path)
    classes = Classes(("background", "disc", "square"), ((0, 0, 0), (250, 0, 0), (0, 250, 0)))
    options = Options(classes, drawn / "images", unlabelled=3)
    report = audit_annotations(load_format("index_png"), folder, options=options)
    first, second = messages(report)
    assert f"{folder / 'cell 1.png'}: value 9 on 1 pixels" in first
    assert "drawn on 48x64 pixels" in second
    written = write_problem_pictures(tmp_path / "out", report)
    assert [path.name for path in written] == ["values_cell 1.jpg", "size_cell 4.jpg"]
    with Image.open(tmp_path / "out/values_cell 1.jpg") as image:
        pixels = np.asarray(image.convert("RGB"))
    bright = (pixels[..., 0] > 220) & (pixels[..., 1] < 40) & (pixels[..., 2] > 160)
    rows, columns = np.nonzero(bright[: 48 * 15])
    assert max(rows.max(), columns.max()) < 10 + 15 + 4  # the first pixel, and not the unlabelled
    with Image.open(tmp_path / "out/size_cell 4.jpg") as image:
        assert image.height > image.width  # the strokes lie upright on a picture that lies


def test_table_and_json_say_the_same(source: Path) -> None:
    (source / "c.txt").write_text("")
    report = audit(source)
    console = Console(file=io.StringIO(), width=80)
    report.print(console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["labels"]["images_with"] == {"background": 2, "cat": 2}
    assert plain["labels"]["empty"] == ["c"]
    assert plain["labels"]["sizes"] == {"30x20": 3}
    assert plain["exit_code"] == 2
    assert plain["raster"]["rule"] == "opencv"
    assert "lines: 3 pictures, 30 x 20" in text
    assert "unlabelled: off the lines" in text
    assert "import or training would be refused; mend the errors" in text

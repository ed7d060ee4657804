import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.golden_cases import FOLDER
from tests.imported import errors_for_the_user

from scribbleseg.annotation import read_label, write_label
from scribbleseg.annotation.class_table import class_table
from scribbleseg.annotation.formats import Entry, Options, load_format
from scribbleseg.annotation.formats.scribblesup_xml import CONTEXT, FORMAT, VOC
from scribbleseg.annotation.raster import rasterise
from scribbleseg.annotation.stroke import Drawing, Stroke
from scribbleseg.errors import DataError

GOLDEN = FOLDER / "blpseg/xml"
MANIFEST = json.loads((GOLDEN / "manifest.json").read_text(encoding="utf-8"))


def read_file(path: Path, **options: Any) -> Drawing:
    options.setdefault("classes", VOC)
    drawing, = FORMAT.read(Entry(path.stem, path), Options(**options))  # fmt: skip
    return drawing


def label_of(drawing: Drawing, classes: Any = VOC) -> np.ndarray:
    return rasterise(drawing, classes.index, FORMAT.raster)


@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_golden_files(name: str, tmp_path: Path) -> None:
    case, path = MANIFEST[name], GOLDEN / f"{name}.xml"
    classes = CONTEXT if case["converter"] == "context" else VOC
    if case["library"] == "error":
        with pytest.raises(DataError, match=path.name):
            read_file(path, classes=classes)
        return
    try:
        drawing = read_file(path, classes=classes)
    except DataError:
        assert case["library"] == "error_or_png"
        return
    write_label(tmp_path / "label.png", label_of(drawing, classes))
    expected = GOLDEN / f"{name}.png"
    if case["library"] == "same_png" or expected.exists():
        np.testing.assert_array_equal(read_label(tmp_path / "label.png"), read_label(expected))


def xml(*polygons: tuple[str, list[tuple[Any, Any]]], size: str | None = None) -> str:
    """A file in the form of ScribbleSup (CVPR 2016)."""
    size = size or "<size><width>12</width><height>8</height><depth>3</depth></size>"
    strokes = "".join(
        f"<polygon>\n\t\t<tag>{tag}</tag>"
        + "".join(f"\n\t\t<point>\n\t\t\t<X>{x}</X>\n<Y>{y}</Y></point>" for x, y in points)
        + "</polygon>\n"
        for tag, points in polygons
    )
    return (
        f"<annotation>\n<folder>f</folder><filename>a.jpg</filename>{size}"
        f"<segmented>1</segmented>\n{strokes}</annotation>"
    )


LINE = [(1, 1), (5, 1)]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_strokes_are_open_polylines_in_their_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", xml(("background", LINE), ("cat", [(3, 0), (3, 3), (6, 3)])))
    drawing = read_file(path)
    assert drawing.size == (8, 12)
    assert drawing.remarks == ()
    label = label_of(drawing)
    assert label[1, 1:7].tolist() == [0, 0, 8, 0, 0, 255]
    assert label[:4, 3].tolist() == [8] * 4
    assert (label == 255).sum() == 8 * 12 - 4 - 7


@pytest.mark.parametrize(
    ("tag", "index"),
    [("plane", 1), ("aeroplane", 1), ("bike", 2), ("table", 11), ("plant", 16), ("monitor", 20)],
)
def test_short_and_long_names_mean_the_same_class(tag: str, index: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", xml((f" {tag}\n", LINE)))
    assert label_of(read_file(path))[1, 1] == index
    short = class_table("a", ["background", "plane", "bike", "table", "plant", "monitor"])
    assert len(read_file(path, classes=short).marks) == 1


def test_files_are_listed_by_their_own_name_with_their_pictures(tmp_path: Path) -> None:
    write(tmp_path / "xml/b/2007_1.xml", xml())
    write(tmp_path / "xml/b/2007_0.xml", xml())
    (tmp_path / "JPEGImages").mkdir()
    Image.new("RGB", (12, 8)).save(tmp_path / "JPEGImages/2007_1.jpg")
    found = FORMAT.find(tmp_path / "xml", Options(images=tmp_path / "JPEGImages"))
    assert [entry.name for entry in found.entries] == ["b/2007_0", "b/2007_1"]
    assert [entry.picture for entry in found.entries] == [
        None,
        tmp_path / "JPEGImages/2007_1.jpg",
    ]
    assert found.classes == VOC
    one = FORMAT.find(tmp_path / "xml/b/2007_1.xml", Options())
    assert [entry.name for entry in one.entries] == ["2007_1"]


def test_one_class_of_its_own_means_pascal_context(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", xml(("cat", LINE)))
    path = write(tmp_path / "b.xml", xml(("dog", LINE), (" sky ", LINE)))
    found = FORMAT.find(tmp_path, Options())
    assert found.classes == CONTEXT
    assert found.remarks == (f"the 60 classes of PASCAL-Context: {path} has the tag 'sky'",)
    assert label_of(read_file(path, classes=CONTEXT), CONTEXT)[1, 1] == 50
    with pytest.raises(DataError, match=r"b\.xml: polygon 2: class 'sky' is unknown; .*known: bac"):
        read_file(path)
    skipped = read_file(path, unknown="skip")
    assert len(skipped.marks) == 1
    assert len(skipped.remarks) == 1
    assert "'sky'" in skipped.remarks[0]


def test_what_a_person_should_know_is_remarked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", xml(("cat", [(3, 3)]), ("dog", [(-1, 2), (12, 2)])))
    drawing = read_file(path)
    assert drawing.remarks == (
        "1 strokes of less than two points: reference-1px draws nothing",
        "2 points outside the picture",
    )
    assert label_of(drawing)[2].tolist() == [12] * 12
    empty = read_file(write(tmp_path / "b.xml", xml()))
    assert empty.remarks == ("no strokes: every pixel is unlabelled",)
    assert (label_of(empty) == 255).all()


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", xml(("cat", LINE)))
    Image.new("RGB", (8, 12)).save(tmp_path / "a.png")
    entry, = FORMAT.find(tmp_path, Options()).entries  # fmt: skip
    with pytest.raises(DataError, match=r"a\.xml: drawn on 12x8 pixels.*8x12.*turned"):
        list(FORMAT.read(entry, Options(classes=VOC)))
    assert entry.source == path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("<annotation>", "not well-formed"),
        ('<!DOCTYPE a [<!ENTITY e "x">]><annotation/>', "DTD"),
        (xml(size=" "), "size: height is None"),
        (xml(size="<size><width>0</width><height>8</height></size>"), "size: width is '0'"),
        (xml(size="<size><width>2.5</width><height>8</height></size>"), "size: width is '2.5'"),
        (xml(size="<size><width>99999</width><height>99999</height></size>"), "99999x99999 pix"),
        (xml(("Cat", LINE)), "polygon 1: class 'Cat' is unknown; did you mean 'cat'"),
        (xml(("", LINE)), "polygon 1: class name ''"),
        (xml(("cat", LINE)).replace("<tag>cat</tag>", ""), "0 elements 'tag'"),
        (xml(("cat", LINE)).replace("<tag>", "<tag>cat</tag><tag>"), "2 elements 'tag'"),
        (xml(("cat", [(1, 2), (3, "1.5")])), "polygon 1: coordinate '1.5'; expected a whole"),
        (xml(("cat", [(1, 2), ("", 4)])), "polygon 1: coordinate ''"),
        (xml(("cat", [(1, 2), ("nan", 4)])), "coordinate 'nan'"),
        (xml(("cat", [(1, 2), ("1_0", 4)])), "coordinate '1_0'"),
        (xml(("cat", [("1 2", 4)])), "coordinate '1 2'"),
        (xml(("cat", [(1, 2), (9 * 10**8, 4)])), "is no place in a picture"),
        (xml(("cat", LINE)).replace("<Y>1</Y>", "<y>1</y>", 1), "polygon 1, point 1: no Y"),
        (xml(("cat", LINE)).replace("<X>5</X>", ""), "polygon 1, point 2: no X"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", text)
    with pytest.raises(DataError, match=r"a\.xml") as caught:
        read_file(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_runs_of_points_are_read_like_single_ones(tmp_path: Path) -> None:
    points = [(1, 1), (5, 2), (" 7\n", "+3"), (9, -2)]
    text = xml(("cat", points), ("dog", [(2, 2), (3, 3)]))
    spelled = text.replace("<X>", "<X ><!-- x -->")  # not the usual spelling
    for polygon, (short, long) in enumerate(
        zip(
            read_file(write(tmp_path / "a.xml", text)).marks,
            read_file(write(tmp_path / "b.xml", spelled)).marks,
            strict=True,
        )
    ):
        assert isinstance(short, Stroke)
        assert isinstance(long, Stroke)
        assert short.points.tolist() == long.points.tolist()
        assert len(short.points) == (4, 2)[polygon]
    commented = text.replace("<polygon>", "<polygon><!-- ", 1).replace(
        "</polygon>", " --></polygon>", 1
    )
    with pytest.raises(DataError, match="polygon 1: 0 elements 'tag'"):
        read_file(write(tmp_path / "c.xml", commented))
    odd = text.replace("<polygon>", "<polygon><_points>1 2 3</_points>", 1)
    with pytest.raises(DataError, match="polygon 1: 11 coordinates; expected pairs"):
        read_file(write(tmp_path / "d.xml", odd))
    broken = text.replace("</annotation>", "</annotaion>")
    with pytest.raises(DataError, match=f"line {1 + text.count(chr(10))}"):
        read_file(write(tmp_path / "e.xml", broken))


def test_too_many_points_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scribbleseg.annotation.formats.scribblesup_xml.MOST_POINTS", 3)
    path = write(tmp_path / "a.xml", xml(("cat", LINE), ("dog", LINE)))
    with pytest.raises(DataError, match=r"a\.xml: more than 3 points"):
        read_file(path)


def test_a_missing_file_name_is_tolerated(tmp_path: Path) -> None:
    text = xml(("cat", LINE)).replace("<filename>a.jpg</filename>", "")
    assert len(read_file(write(tmp_path / "a.xml", text)).marks) == 1


VALID = xml(("background", [(1, 1), (5, 1), (9, 7)]), ("cat", [(3, 3), (-4, 70)])).encode()
PIECES = [
    b"<_points>1</_points>",
    b"<",
    b">",
    b"</",
    b"&amp;",
    b"1e9",
    b"NaN",
    b"-",
    b"<X>",
    b"</polygon>",
    b"\xff",
    b" ",
]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, len(VALID)), st.integers(0, 40), st.sampled_from(PIECES) | st.binary()
        ),
        min_size=1,
        max_size=3,
    )
)
def test_damaged_files_cost_a_data_error_at_most(
    edits: list[tuple[int, int, bytes]], tmp_path: Path
) -> None:
    content = VALID
    for begin, length, new in edits:
        content = content[:begin] + new + content[begin + length :]
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    FORMAT.find(path, Options())
    with errors_for_the_user(str(path)):
        drawing = read_file(path)
        assert label_of(drawing).shape == drawing.size


def test_the_format_is_found_by_its_name() -> None:
    assert load_format("scribblesup_xml") is FORMAT
    assert len(CONTEXT.names) == len(set(CONTEXT.names)) == 60
    assert CONTEXT.names[:21] == VOC.names

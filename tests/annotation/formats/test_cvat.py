import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.imported import (
    classes_of,
    damaged,
    exported,
    imported,
    read_all,
    read_or_refuse,
    save_picture,
)

from scribbleseg.annotation.formats import Options
from scribbleseg.annotation.raster import Raster
from scribbleseg.errors import DataError

THIN = Raster("opencv", 1)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

META = """<meta>
    <{kind}>
      <id>4</id>
      <name>cells</name>
      <size>2</size>
      <mode>annotation</mode>
      <overlap>0</overlap>
      <labels>
        <label><name>nucleus</name><color>#fa3253</color><type>any</type><attributes>
          <attribute><name>sure</name><mutable>False</mutable><input_type>checkbox</input_type>
            <default_value>true</default_value><values>true</values></attribute></attributes></label>
        <label><name>cell</name><color>#00ff80</color><type>any</type><attributes></attributes></label>
        <label><name>background</name><color>#102030</color><type>any</type></label>
        <label><name>spine</name><color>#aaf0d1</color><type>skeleton</type><svg>&lt;line&gt;</svg></label>
        <label><name>tip</name><color>#aaf0d1</color><type>points</type><parent>spine</parent></label>
      </labels>
      <segments><segment><id>1</id><start>0</start><stop>1</stop></segment></segments>
    </{kind}>
    <dumped>2024-05-02 10:00:00.000000+00:00</dumped>
  </meta>"""

COMMON = 'source="manual" occluded="0"'
SHAPES = f"""
    <polyline label="cell" {COMMON} points="0.50,0.50;3.50,0.50" z_order="0"></polyline>
    <points label="background" {COMMON} points="7.50,5.50;7.50,4.50" z_order="0"></points>
    <box label="nucleus" {COMMON} xtl="0.00" ytl="3.00" xbr="2.00" ybr="5.00" z_order="0"></box>
    <mask label="nucleus" {COMMON} rle="1, 1, 1, 1" left="6" top="0" width="2" height="2"
      z_order="1"><attribute name="sure">true</attribute></mask>
    <polyline label="cell" {COMMON} points="6.50,1.50;7.50,1.50" z_order="0"></polyline>
    <polygon label="cell" {COMMON} points="3.50,3.50;5.50,3.50;5.50,5.50;3.50,5.50" z_order="0"/>
    <tag label="cell" source="manual"></tag>
    <skeleton label="spine" source="manual" z_order="0">
      <points label="tip" outside="0" occluded="0" points="3.00,3.00"></points>
    </skeleton>
"""


def xml(shapes: str = SHAPES, meta: str = META.format(kind="task"), **size: Any) -> str:
    """As CVAT 2 exports 'CVAT for images 1.1'."""
    about = {"width": 8, "height": 6, "name": "set/a.png", **size}
    attributes = " ".join(f'{key}="{value}"' for key, value in about.items() if value is not None)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  {meta}
  <image id="0" {attributes}>{shapes}</image>
</annotations>
"""


def write(folder: Path, text: str) -> Path:
    save_picture(folder / "images/set/a.png", (6, 8))
    (folder / "annotations.xml").write_text(text)
    return folder


@pytest.mark.parametrize("kind", ["task", "job", "project"])
def test_every_kind_of_shape_is_painted_by_its_z_order(tmp_path: Path, kind: str) -> None:
    write(tmp_path, xml(meta=META.format(kind=kind)))
    u = 255
    expected = [
        [2, 2, 2, 2, u, u, u, 1],
        [u, u, u, u, u, u, 2, 1],
        [u, u, u, u, u, u, u, u],
        [1, 1, u, 2, 2, u, u, u],
        [1, 1, u, 2, 2, u, u, 0],
        [u, u, u, u, u, u, u, 0],
    ]
    assert imported("cvat", tmp_path, raster=THIN)["set/a"].tolist() == expected
    drawings, classes = read_all("cvat", tmp_path)
    assert classes.names == ("background", "nucleus", "cell", "spine")
    assert classes.palette[:3] == ((16, 32, 48), (250, 50, 83), (0, 255, 128))
    assert drawings["set/a"].picture == tmp_path / "images/set/a.png"
    assert drawings["set/a"].remarks == (
        "left out: tags, which belong to the whole picture",
        "left out: skeletons, which are no strokes",
    )


def test_boxes_and_ellipses_may_be_turned(tmp_path: Path) -> None:
    shapes = """
      <box label="cell" xtl="2" ytl="9" xbr="18" ybr="11" rotation="90.00" z_order="0"/>
      <ellipse label="nucleus" cx="30" cy="10" rx="8" ry="2" rotation="270.0" z_order="0"/>
    """
    (tmp_path / "a.xml").write_text(xml(shapes, width=40, height=20, name="a.png"))
    label = imported("cvat", tmp_path / "a.xml", raster=THIN)["a"]
    assert (label[3:17, 9:11] == 2).all()
    assert (label[9:11, :8] == 255).all()
    assert (label[4:16, 29:31] == 1).all()
    assert (label[9:11, 33:] == 255).all()


def test_a_polygon_of_whole_corners_is_the_box(tmp_path: Path) -> None:
    box = '<box label="cell" xtl="1.00" ytl="2.00" xbr="7.00" ybr="5.00" z_order="0"/>'
    polygon = '<polygon label="cell" points="1.00,2.00;7.00,2.00;7.00,5.00;1.00,5.00"/>'
    label = imported("cvat", write(tmp_path, xml(polygon)))["set/a"]
    assert (label == 2).sum() == 18
    np.testing.assert_array_equal(label, imported("cvat", write(tmp_path, xml(box)))["set/a"])


def test_the_picture_has_the_folder_and_the_suffix_that_are_stated(tmp_path: Path) -> None:
    write(tmp_path, xml())
    save_picture(tmp_path / "images/set/a.jpg", (6, 8))
    assert read_all("cvat", tmp_path)[0]["set/a"].picture == tmp_path / "images/set/a.png"
    (tmp_path / "images/set").rename(tmp_path / "images/other")
    assert read_all("cvat", tmp_path)[0]["set/a"].picture is None


def test_without_labels_the_names_are_collected(tmp_path: Path) -> None:
    write(tmp_path, xml(meta="<meta></meta>"))
    drawings, classes = read_all("cvat", tmp_path)
    assert classes.names == ("background", "cell", "nucleus")
    assert len(drawings["set/a"].marks) == 7


def test_several_files_are_one_set(tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_text(xml(name="b.png"))
    (tmp_path / "2.xml").write_text(xml(name="a.png", shapes=""))
    drawings, classes = read_all("cvat", tmp_path)
    assert list(drawings) == ["a", "b"]
    assert classes.names == ("background", "nucleus", "cell", "spine")
    assert drawings["a"].remarks == ("nothing is drawn",)
    (tmp_path / "3.xml").write_text(xml(name="A.jpg"))
    with pytest.raises(DataError, match=r"two pictures would have one id: 'a' and 'A'|'A' and 'a'"):
        read_all("cvat", tmp_path)


MASK = '<mask label="cell" left="{}" top="{}" width="{}" height="{}" rle="{}"/>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html/>", r"<html> instead of <annotations>"),
        (
            '<annotations><track id="0" label="cell"></track></annotations>',
            r"holds tracks of a video; export it as 'CVAT for images 1\.1'",
        ),
        (xml(name=None), r"<image None>: picture name None is not a relative path"),
        (xml(name="../../a.png"), r"picture name '../../a.png' is not a relative path"),
        (xml(width=None), r"<image 'set/a.png'>: width is None; expected a number"),
        (xml(width=9), r"set/a: drawn on 9x6 pixels, but .*a\.png has 8x6"),
        (xml("<blob/>"), r"set/a: shape 1, <blob> is unknown; known: box, ellipse"),
        (xml("<box/>"), r"<image 'set/a.png'>: <box>: class name None"),
        (xml('<box label="dog" xtl="1"/>'), r"shape 1, <box>: class 'dog' is unknown; known: bac"),
        (xml('<box label="cell" xtl="1"/>'), r"shape 1, <box>: ytl is None; expected a number"),
        (xml('<points label="cell"/>'), r"shape 1, <points>: points are not pairs"),
        (xml('<polyline label="cell" points="1,2;3"/>'), r"points are not pairs"),
        (xml('<polyline label="cell" points="1,nan"/>'), r"point \(1\.0, nan\) is no place"),
        (xml('<polyline label="cell" points="1,2" z_order="x"/>'), r"z_order is 'x'; expected a n"),
        (xml(MASK.format(0, 0, 2, 2, "1, 2")), r"the runs are 3 pixels, the mask of 2x2 has 4"),
        (xml(MASK.format(0, 0, 2, 2, "1, -1, 4")), r"run of -1 pixels in a mask of 2x2"),
        (xml(MASK.format(0, 0, 2, 2, "1, x")), r"runs are \['1', ' x'\]; expected whole numbers"),
        (xml(MASK.format(0, 0, 2, 2, "")), r"runs are \[''\]; expected whole numbers"),
        (xml(MASK.format(7, 0, 2, 2, "4")), r"mask of 2x2 pixels at x=7, y=0 in a picture of 8x6"),
        (xml(MASK.format(-1, 0, 2, 2, "4")), r"left is '-1'; expected a whole number in 0\.\."),
        (xml(MASK.format(0, 0, 10**9, 10**9, 10**18)), r"height is '1000000000'; expected a who"),
        (xml("<a>" * 63 + "</a>" * 63), r"nested more than 64 deep"),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, text)
    with pytest.raises(DataError, match=message):
        read_all("cvat", tmp_path)


def test_archives_are_to_be_unpacked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"export\.zip: unpack the export first"):
        read_all("cvat", tmp_path / "export.zip")


def test_unknown_classes_may_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, xml())
    options = Options(classes_of("background", "cell"), unknown="skip")
    drawing = read_all("cvat", tmp_path, options)[0]["set/a"]
    assert "strokes left out: 'nucleus' is not one of the classes" in drawing.remarks


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_labels_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    classes = classes_of("other", "a <b> & 'c'", "square")
    rows = st.lists(st.sampled_from([0, 1, 2, 255]), min_size=9, max_size=9)
    label = np.array(data.draw(st.lists(rows, min_size=1, max_size=7)), np.uint8)
    folder = tmp_path_factory.mktemp("cvat")
    target = exported("cvat", {"a": label, "b/c & d": label.T}, classes, folder)
    back = imported("cvat", target, Options(classes, images=folder / "images"))
    np.testing.assert_array_equal(back["a"], label)
    np.testing.assert_array_equal(back["b/c & d"], label.T)


def test_a_file_is_written_as_cvat_reads_it(tmp_path: Path) -> None:
    label = np.full((6, 8), 255, np.uint8)
    label[1, 2:5] = 1
    label[4, 4] = 1
    target = exported("cvat", {"a": label}, classes_of("background", "cell"), tmp_path)
    root = ElementTree.parse(target / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1"
    assert [x.text for x in root.iterfind("meta/task/labels/label/name")] == ["background", "cell"]
    image = root.find("image")
    assert image.attrib == {"id": "0", "name": "a.png", "width": "8", "height": "6"}
    assert [mask.attrib for mask in image] == [
        {
            "label": "cell",
            "source": "manual",
            "occluded": "0",
            "rle": "0, 3, 8, 1",
            "left": "2",
            "top": "1",
            "width": "3",
            "height": "4",
            "z_order": "0",
        }
    ]


@given(damaged(xml().encode()))
@quick
def test_damaged_files_are_read_or_refused(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "a.xml").write_bytes(broken)
    read_or_refuse("cvat", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.xml"]


ODD_TEXTS = ["", "-1", "1e300", "nan", "9" * 5000, "\u0661", "x;,"]
VALUES = [match.span(1) for match in re.finditer(r'="([^"]*)"|>([^<]+)<', xml()) if match.group(1)]


@given(
    st.sampled_from(VALUES),
    st.sampled_from(["", "-1", "1e300", "nan", "9" * 5000, "\u0661", "x;,"]),
)
@quick
def test_files_with_odd_values_are_read_or_refused(
    tmp_path: Path, place: tuple[int, int], value: str
) -> None:
    text = xml()
    (tmp_path / "a.xml").write_text(text[: place[0]] + value + text[place[1] :])
    read_or_refuse("cvat", tmp_path)

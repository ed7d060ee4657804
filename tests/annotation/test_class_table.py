from pathlib import Path
from typing import Any

import pytest

from scribbleseg.annotation.class_table import (
    KnownClasses,
    class_name,
    class_table,
    classes_of_files,
    is_background,
    read_color,
)
from scribbleseg.annotation.formats import Classes, Options
from scribbleseg.errors import DataError

CLASSES = Classes(("background", "cell", "nucleus"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))


@pytest.mark.parametrize("name", ["background", "Background", " BACKGROUND ", "_background_", "bg"])
def test_names_of_the_background(name: str) -> None:
    assert is_background(name)
    table = class_table("a", ["cat", name])
    assert table.names == (name.strip(), "cat")
    assert table.palette == ((0, 0, 0), (128, 0, 0))


@pytest.mark.parametrize("name", ["sky", "background2", "back ground", "unlabeled", ""])
def test_other_names_are_not_the_background(name: str) -> None:
    assert not is_background(name)


def test_without_a_background_one_is_put_first() -> None:
    assert class_table("a", ["zebra", " ant "]).names == ("background", "zebra", "ant")
    assert class_table("a", []).names == ("background",)


def test_colours_are_those_of_the_tool_where_it_has_any() -> None:
    table = class_table("a", ["cat", "bg", "dog"], {"cat": (1, 2, 3), "bg": (9, 9, 9)})
    assert table.palette == ((9, 9, 9), (1, 2, 3), (0, 128, 0))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cat", "dog", "cat "], "class cat is defined twice"),
        (["bg", "background"], "'bg' and 'background' both mean the background"),
        ([f"c{i}" for i in range(65_535)], "65536 classes; at most 65535 fit 16 bits"),
        (["cat", ""], "class name '' is not a text of 1 to 200 printable characters"),
        (["x" * 201], "class name 'xxx.*xxx' is not"),
        (["a\nb"], r"class name 'a\\nb' is not"),
        (["\ud800"], r"class name '\\ud800' is not"),
        ([None], "class name None is not"),
        ([["cat"]], r"class name \['cat'\] is not"),
    ],
)
def test_tables_that_make_no_sense_are_refused(names: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"^a\.json: {message}"):
        class_table("a.json", names)


def test_names_lose_the_white_space_around_them() -> None:
    assert class_name("a", "\u00a0blood vessel\t") == "blood vessel"


@pytest.mark.parametrize(
    ("value", "color"),
    [
        ("#FF8000", (255, 128, 0)),
        ("red", (255, 0, 0)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
        ([0, 255, 7], (0, 255, 7)),
        (-3670016, (200, 0, 0)),  # as QuPath 0.2 writes it
        ("rgb(999, 0, 0)", None),
        ("no colour", None),
        ("", None),
        (None, None),
        ([1, 2], None),
        ([1, 2, 256], None),
        ([1, 2, "3"], None),
        ({}, None),
        (1.5, None),
    ],
)
def test_colours_of_the_tools(value: Any, color: Any) -> None:
    assert read_color(value) == color


def test_an_unknown_class_is_named_with_its_neighbour() -> None:
    known = KnownClasses(Options(CLASSES))
    assert known("a", " cell ") == "cell"
    with pytest.raises(
        DataError,
        match=r"^a: class 'nuclus' is unknown; did you mean 'nucleus'\? known: background, cell, n",
    ):
        known("a", "nuclus")
    with pytest.raises(DataError, match=r"^a: class 'xyz' is unknown; known: background"):
        known("a", "xyz")
    with pytest.raises(DataError, match=r"^a: class 'Cell' is unknown; did you mean 'cell'\?"):
        known("a", "Cell")


def test_unknown_classes_may_be_left_out_and_are_counted() -> None:
    known = KnownClasses(Options(CLASSES, unknown="skip"))
    assert [known("a", name) for name in ("cell", "dust", "hair", "dust")] == [
        "cell",
        None,
        None,
        None,
    ]
    assert known.remarks() == (
        "strokes left out: 'dust' is not one of the classes",
        "strokes left out: 'hair' is not one of the classes",
    )
    with pytest.raises(DataError, match="class name None is not"):
        known("a", None)


def test_names_of_broken_files_are_not_guessed() -> None:
    source = Path("strokes")
    assert classes_of_files(source, ["cat"]).names == ("background", "cat")
    with pytest.raises(DataError, match=r"a\.json: bad; these files \(1\) may hold further"):
        classes_of_files(source, ["cat"], broken=["a.json: bad"])

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scribbleseg.annotation import untrusted
from scribbleseg.annotation.untrusted import (
    PictureFinder,
    file_id,
    files_below,
    optional_package,
    read_json,
    read_xml,
    without_twins,
)
from scribbleseg.errors import ConfigError, DataError


def written(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def picture(path: Path, size: tuple[int, int] = (2, 3)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(size, np.uint8)).save(path)
    return path


# XML


def test_an_xml_file_is_read(tmp_path: Path) -> None:
    root = read_xml(written(tmp_path / "a.xml", '<?xml version="1.0"?><a b="1">x&amp;<c/>y</a>'))
    assert (root.tag, root.attrib, root.text, root[0].tag, root[0].tail) == (
        "a",
        {"b": "1"},
        "x&",
        "c",
        "y",
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings_that_the_file_states_are_read(tmp_path: Path, encoding: str) -> None:
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    text = f'<?xml version="1.0" encoding="{declared}"?><a>é</a>'
    assert read_xml(written(tmp_path / "a.xml", text.encode(encoding))).text == "é"


BOMBS = {
    "multiplied": '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>',
    "a file": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "an address": '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>',
    "plain": "<!DOCTYPE a><a/>",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_document_types_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"a\.xml: declares a document type \(DTD\).*remove"):
        read_xml(written(tmp_path / "a.xml", text))


@pytest.mark.parametrize(
    "content",
    [
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"text",
        b"<a>&unknown;</a>",
        b'<a b="1" b="2"/>',
        b"<a>\xff</a>",
        b'<?xml version="1.0" encoding="unheard-of"?><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b"<a>\x00</a>",
    ],
)
def test_what_is_no_xml_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.xml: not well-formed XML \(.*export it again"):
        read_xml(written(tmp_path / "a.xml", content))


def test_xml_may_be_nested_64_deep_and_no_deeper(tmp_path: Path) -> None:
    assert read_xml(written(tmp_path / "a.xml", "<a>" * 64 + "</a>" * 64)).tag == "a"
    with pytest.raises(DataError, match="nested more than 64 deep"):
        read_xml(written(tmp_path / "a.xml", "<a>" * 65 + "</a>" * 65))


def test_xml_may_hold_so_many_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "MOST_ELEMENTS", 10)
    read_xml(written(tmp_path / "a.xml", "<a>" + '<b x="1"/>' * 4 + "</a>"))
    with pytest.raises(DataError, match="more than 10 elements"):
        read_xml(written(tmp_path / "a.xml", "<a>" + '<b x="1"/>' * 5 + "</a>"))


def test_a_tag_may_be_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "CHUNK", 1 << 16)
    monkeypatch.setattr(untrusted, "LONGEST_ELEMENT", 1 << 20)
    text = '<a b="' + "x" * (1 << 19)
    assert len(read_xml(written(tmp_path / "a.xml", text + '"/>')).attrib["b"]) == 1 << 19
    with pytest.raises(DataError, match="an element of more than 1 MB"):
        read_xml(written(tmp_path / "a.xml", text + "x" * (1 << 20)))


# JSON


def test_a_json_file_is_read(tmp_path: Path) -> None:
    text = '\ufeff{"a": [1, 2.5, null, "]]]}\\"["]}'
    assert read_json(written(tmp_path / "a.json", text)) == {"a": [1, 2.5, None, ']]]}"[']}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": NaN}', "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b'{"a": 1', "line 1 is not valid JSON"),
        (b'{\n"a": }', "line 2 is not valid JSON"),
        (b'["a', "line 1 is not valid JSON"),
        (b"[1]]", "line 1 is not valid JSON"),
        (b'{"a": "\xff"}', "byte 7 is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "byte 0 is not UTF-8"),
        (b"[" + b"9" * 5000 + b"]", "not valid JSON"),
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.json: .*{message}"):
        read_json(written(tmp_path / "a.json", content))


def test_json_may_be_nested_64_deep_and_no_deeper(tmp_path: Path) -> None:
    assert read_json(written(tmp_path / "a.json", "[" * 64 + "]" * 64))
    for text in ("[" * 65 + "]" * 65, '{"a":' * 70, "[" * 1_000_000, "[]" * 9 + "[" * 100):
        with pytest.raises(DataError, match="nested more than 64 deep"):
            read_json(written(tmp_path / "a.json", text))


def test_brackets_in_texts_do_not_count(tmp_path: Path) -> None:
    value = ["[" * 100, '"' + "[" * 100, "\\", "{" * 100]
    assert read_json(written(tmp_path / "a.json", json.dumps(value))) == value


def test_texts_that_never_end_cost_no_more_than_one_look(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not valid JSON"):
        read_json(written(tmp_path / "a.json", '["' + '\\"' * 1_000_000))
    with pytest.raises(DataError, match="not valid JSON"):
        read_json(written(tmp_path / "a.json", '["' + "a" * 3_000_000))


def test_values_that_would_need_too_much_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untrusted, "MOST_MEMORY", 1 << 20)
    read_json(written(tmp_path / "a.json", json.dumps(["x" * 900_000, [1.5] * 9_000])))
    for text in ("[" + "[]," * 20_000, '[""' * 1 + ',""' * 20_000, '[{"a":1}' + ",{}" * 9_000):
        with pytest.raises(DataError, match="would take about 0 GB of memory; split"):
            read_json(written(tmp_path / "a.json", text))


@given(
    st.recursive(st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists)
)
@settings(max_examples=30)
def test_any_shallow_json_is_read(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value))
    assert read_json(path) == value


# Both


@pytest.mark.parametrize("read", [read_json, read_xml])
def test_files_that_cannot_be_read_are_named(
    tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"none: no such file"):
        read(tmp_path / "none")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"cannot be read \(File name too long\)"):
        read(tmp_path / ("x" * 300))
    monkeypatch.setattr(untrusted, "MOST_BYTES", 3 << 20)
    with pytest.raises(DataError, match=r"big: 4 MB; at most 3 MB are read"):
        read(written(tmp_path / "big", b" " * (4 << 20)))


# Names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", "a"),
        ("a", "a"),
        ("a.b.jpg", "a.b"),
        ("ward 3/a.png", "ward 3/a"),
        ("ward\\a.png", "ward/a"),
        ("./a.png", "a"),
        ("a//b.png", "a/b"),
        ("Zürich.tif", "Zürich"),
        ("20\u202f00.png", "20\u202f00"),
        ("...a.jpg", "...a"),
        (".a", ".a"),
    ],
)
def test_names_become_ids(name: str, expected: str) -> None:
    assert file_id("a.xml", name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a.jpg",
        "a/../../b.jpg",
        "..\\a.jpg",
        "/etc/passwd",
        "\\\\host\\share\\a.jpg",
        "C:\\a.jpg",
        "...",
        "..0",
        "a/..0",
        "...jpg",
        "a/...jpg",
        "a\x00.jpg",
        "a\n.jpg",
        "a\u2028.jpg",
        "a\ud800.jpg",
        "a?.jpg",
        "x" * 241,
        "é" * 121,
        "x/" * 501,
        None,
        3,
        ["a.jpg"],
    ],
)
def test_names_that_lead_elsewhere_or_are_none_are_refused(name: Any) -> None:
    with pytest.raises(DataError, match=r"^a\.xml: picture name .* is not a relative path") as info:
        file_id("a.xml", name)
    str(info.value).encode()


@given(st.text(max_size=30) | st.text("./\\ab", max_size=12))
def test_an_id_is_a_path_below(name: str) -> None:
    try:
        path = Path("/root") / file_id("a.xml", name)
    except DataError:
        return
    assert os.path.normpath(path) == str(path)
    assert path.is_relative_to("/root")
    assert path != Path("/root")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b", "a"], "'a'"),
        (["1", "1"], "'1'"),
        (["Straße", "STRASSE"], "'Straße' and 'STRASSE'"),
        (["e\u0301", "\u00e9"], "'e\u0301' and '\u00e9'"),
        (["a", "a", "b", "b", "c", "c", "d", "d"], "'a', 'b', 'c' and 1 more"),
    ],
)
def test_twins_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=rf"^x: two pictures would have one id: {message}; rename"):
        without_twins(Path("x"), names)


def test_different_names_are_no_twins() -> None:
    without_twins(Path("x"), ["a", "b", "a/b", ""])


# Files


def test_files_are_listed_at_any_depth(tmp_path: Path) -> None:
    for name in ("b.json", "a/c.JSON", "a/d.xml", ".hidden.json", "a/._c.json"):
        written(tmp_path / name, "x")
    (tmp_path / "folder.json").mkdir()
    paths = files_below(tmp_path, (".json",))
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["a/c.JSON", "b.json"]
    assert files_below(tmp_path / "a/d.xml", (".json",)) == [tmp_path / "a/d.xml"]
    with pytest.raises(DataError, match=r"no file \*\.png or \*\.tif$"):
        files_below(tmp_path, (".png", ".tif"))
    with pytest.raises(DataError, match=r"none: no such file or folder$"):
        files_below(tmp_path / "none", (".png",))


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_links_that_lead_out_are_left_out(tmp_path: Path) -> None:
    secret = written(tmp_path / "secret/a.json", "x")
    inside = written(tmp_path / "set/b.json", "x")
    picture(tmp_path / "secret/p.png")
    (tmp_path / "set/out.json").symlink_to(secret)
    (tmp_path / "set/folder").symlink_to(tmp_path / "secret")
    (tmp_path / "set/in.json").symlink_to(inside)
    (tmp_path / "set/loop.json").symlink_to(tmp_path / "set/loop.json")
    (tmp_path / "set/loop.png").symlink_to(tmp_path / "set/loop.png")
    (tmp_path / "set/broken.png").symlink_to(tmp_path / "set/none.png")
    (tmp_path / "set/p.png").symlink_to(tmp_path / "secret/p.png")
    os.mkfifo(tmp_path / "set/pipe.json")
    names = [path.name for path in files_below(tmp_path / "set", (".json",))]
    assert names == ["b.json", "in.json"]
    find = PictureFinder([tmp_path / "set"])
    assert [find(name) for name in ("loop", "broken", "p", "folder/p")] == [None] * 4


def test_pictures_are_found_by_the_end_of_their_path(tmp_path: Path) -> None:
    for name in ("one/a.png", "two/b.png", "x/two/c.JPG"):
        picture(tmp_path / name)
    (tmp_path / "d.png").mkdir()
    find = PictureFinder([None, tmp_path])
    assert find("one/a") == tmp_path / "one/a.png"
    assert find("a") == tmp_path / "one/a.png"
    assert find("elsewhere/set/two/b") == tmp_path / "two/b.png"
    assert find("two/c") == tmp_path / "x/two/c.JPG"
    assert find("d") is None
    assert find("A") is None


def test_pictures_whose_folders_contradict_are_others(tmp_path: Path) -> None:
    for name in ("B/a.jpg", "x/A/b.jpg", "c.jpg", "A/c.jpg"):
        picture(tmp_path / name)
    find = PictureFinder([tmp_path])
    assert find("A/a") is None
    assert find("B/b") is None
    assert find("A/b") == find("b") == tmp_path / "x/A/b.jpg"
    assert find("x/A/c") == tmp_path / "A/c.jpg"
    assert find("B/c") == tmp_path / "c.jpg"


FOLDER = st.lists(st.sampled_from(["A", "B"]), max_size=3)


@given(asked=FOLDER, found=FOLDER)
@settings(max_examples=40)
def test_one_path_is_the_end_of_the_other(
    tmp_path_factory: pytest.TempPathFactory, asked: list[str], found: list[str]
) -> None:
    root = tmp_path_factory.mktemp("pictures")
    path = picture(root.joinpath(*found, "a.png"))
    shorter = min(len(asked), len(found))
    fits = asked[len(asked) - shorter :] == found[len(found) - shorter :]
    assert PictureFinder([root])("/".join([*asked, "a"])) == (path if fits else None)


def test_the_suffix_that_is_stated_is_taken_first(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.PNG", "b.png", "b.jpg", "c.JPG", "x/d.bmp"):
        picture(tmp_path / name)
    find = PictureFinder([tmp_path])
    assert find("a", ".png") == find("x/a", ".png") == tmp_path / "a.png"
    assert find("a", ".jpg") == find("a", ".tif") == find("a") == tmp_path / "a.jpg"
    assert find("b", ".png") == tmp_path / "b.png"
    assert find("b", ".PNG") == tmp_path / "b.PNG"
    assert find("c", ".jpg") == tmp_path / "c.JPG"
    assert find("d", ".jpg") == tmp_path / "x/d.bmp"


def test_of_folders_the_first_and_of_suffixes_jpg_is_taken(tmp_path: Path) -> None:
    for name in ("set/a.png", "set/a.jpg", "set/b.png", "other/a.png", "other/c.png"):
        picture(tmp_path / name)
    find = PictureFinder([tmp_path / "set", tmp_path / "other"])
    assert find("a") == tmp_path / "set/a.jpg"
    assert find("c") == tmp_path / "other/c.png"


def test_a_picture_that_could_be_any_of_several_is_not_guessed(tmp_path: Path) -> None:
    for name in ("images/seq1/0001.png", "images/seq2/0001.png", "masks/0002.png", "0002.png"):
        picture(tmp_path / name)
    find = PictureFinder([tmp_path])
    assert find("seq2/0001") == tmp_path / "images/seq2/0001.png"
    assert find("0002") == tmp_path / "0002.png"
    with pytest.raises(DataError, match=r"picture '0001' could be any of .*seq1.*seq2.*; give"):
        find("0001")
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        PictureFinder([tmp_path / "nowhere"])


def test_a_library_that_is_missing_is_named_with_its_extra() -> None:
    assert optional_package("json", "formats") is json
    with pytest.raises(ConfigError, match=r"needs no_such_library .*'scribbleseg\[formats\]'"):
        optional_package("no_such_library", "formats")

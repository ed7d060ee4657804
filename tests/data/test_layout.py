from pathlib import Path

import pytest

from scribbleseg.data import Layout, layout_names, load_layout
from scribbleseg.data.layout import find_root
from scribbleseg.errors import ConfigError, DataError

LAYOUT = Layout(
    "a", ("x", "y"), ((0, 0, 0), (1, 1, 1)), "images", "scribbles", "masks", (".jpg", ".png")
)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")


def test_lists_are_searched_in_three_folders_in_order(tmp_path: Path) -> None:
    for folder in ("ImageSets/SegmentationAug", "ImageSets/Segmentation", "ImageSets"):
        path = tmp_path / folder / "train.txt"
        touch(path)
        assert LAYOUT.list_path(tmp_path, "train") == path
    with pytest.raises(DataError) as error:
        LAYOUT.list_path(tmp_path, "vall")
    message = str(error.value)
    assert all(
        f"{folder}/vall.txt" in message
        for folder in ("ImageSets", "ImageSets/Segmentation", "SegmentationAug")
    )
    assert "lists here: train" in message


def test_records_name_only_the_files_of_their_kind(tmp_path: Path) -> None:
    touch(
        *(tmp_path / "images" / f"{n}.jpg" for n in "abc"),
        tmp_path / "scribbles/a.png",
        tmp_path / "masks/b.png",
    )
    records = LAYOUT.records(tmp_path, ["a", "b", "c"], {"a": "scribble", "b": "mask", "c": "tags"})
    assert [(r.scribble is not None, r.mask is not None) for r in records] == [
        (True, False),
        (False, True),
        (False, False),
    ]


def test_missing_files_are_counted(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d", "e"]
    touch(*(tmp_path / "images" / f"{n}.png" for n in names))
    with pytest.raises(
        DataError, match=r"scribbles/a\.png.* and 2 more missing; .*declare the images 'tags' only"
    ):
        LAYOUT.records(tmp_path, names, "scribble")
    with pytest.raises(DataError, match=r"images: no picture \(\.jpg, \.png\) for x$"):
        LAYOUT.records(tmp_path, ["x"], "scribble")
    with pytest.raises(
        DataError, match=r"^supervision: no supervision declared for a; .*mask.scribble.tags"
    ):
        LAYOUT.records(tmp_path, ["a"], {"b": "mask"})
    with pytest.raises(DataError, match=r"no such folder"):
        LAYOUT.records(tmp_path / "nowhere", ["a"], "scribble")


def test_relative_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here/a").mkdir(parents=True)
    (tmp_path / "shared/data/b").mkdir(parents=True)
    (tmp_path / "mine/a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert find_root("a", {}).resolve() == tmp_path / "here/a"
    assert find_root("b", {}).resolve() == tmp_path / "shared/data/b"
    variable = {"SCRIBBLESEG_DATA": str(tmp_path / "mine")}
    assert find_root("a", variable) == tmp_path / "mine/a"
    assert find_root(str(tmp_path / "here"), variable) == tmp_path / "here"
    with pytest.raises(
        ConfigError,
        match=r"data\.root: no folder 'c'; looked for .*mine/c, \.\./shared/data/c, c; give",
    ):
        find_root("c", variable)


def test_unknown_layouts() -> None:
    with pytest.raises(
        ConfigError,
        match=r"no layout 'acd'; did you mean 'acdc'\? known: acdc, camvid, .*shapes, voc, ",
    ):
        load_layout("acd", ".")
    with pytest.raises(ConfigError, match=r"cannot import 'no\.such'"):
        load_layout("no.such", ".")
    with pytest.raises(ConfigError, match=r"'os\.path' defines neither LAYOUT nor read_layout"):
        load_layout("os.path", ".")
    assert "folder" in layout_names()


def test_a_users_own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lab"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mri.py").write_text(
        "from scribbleseg.data import Layout\n"
        "LAYOUT = Layout('mri', ('a', 'b'), ((0, 0, 0), (9, 9, 9)), 'images', None, None)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    layout, root = load_layout("lab.mri", str(tmp_path))
    assert (layout.name, root) == ("mri", tmp_path)
    touch(tmp_path / "images/x.jpg")
    with pytest.raises(DataError, match="has no masks"):
        layout.records(tmp_path, ["x"], "mask")


def test_a_list_may_be_a_file_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "dataset"
    root.mkdir()
    (root / "mine.txt").write_text("in the dataset\n")
    assert LAYOUT.names(root, "mine.txt") == ["in the dataset"]
    (tmp_path / "mine.txt").write_text("here\n")
    assert LAYOUT.names(root, "mine.txt") == ["here"]
    with pytest.raises(DataError, match=r"list 'other\.txt' not found"):
        LAYOUT.names(root, "other.txt")


def test_every_eighth_id_and_two_lists_joined(tmp_path: Path) -> None:
    lists = tmp_path / "ImageSets"
    lists.mkdir()
    (lists / "all.txt").write_text("".join(f"{number}\n" for number in range(18)))
    (lists / "more.txt").write_text("a\nb\nc\n")
    (lists / "odd+name::2.txt").write_text("z\n")
    assert LAYOUT.names(tmp_path, "all::8") == ["0", "8", "16"]
    assert LAYOUT.names(tmp_path, "more+all::8") == ["a", "b", "c", "0", "8", "16"]
    assert LAYOUT.names(tmp_path, "more::2") == ["a", "c"]
    assert LAYOUT.names(tmp_path, "odd+name::2") == ["z"]
    with pytest.raises(DataError, match=r"list 'more\+more::2': a, c listed more than once"):
        LAYOUT.names(tmp_path, "more+more::2")
    with pytest.raises(DataError, match=r"list 'none' not found"):
        LAYOUT.names(tmp_path, "more+none")
    for wrong in ("more::0", "more::x", "more::-1"):
        with pytest.raises(DataError, match=f"list '{wrong}': expected LIST::N with a whole"):
            LAYOUT.names(tmp_path, wrong)
    (tmp_path / "c++").mkdir()
    (tmp_path / "c++/mine.txt").write_text("m\nn\no\n")
    assert LAYOUT.names(tmp_path, f"{tmp_path}/c++/mine.txt::2") == ["m", "o"]

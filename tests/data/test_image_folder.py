from pathlib import Path

import pytest
from tests.data.test_layout import LAYOUT, touch

from scribbleseg.data.image_folder import find_images, images_in
from scribbleseg.errors import DataError

SUFFIXES = (".jpg", ".png")


def test_capitals_in_a_suffix_make_no_difference(tmp_path: Path) -> None:
    images = tmp_path / "images"
    touch(images / "a.PNG", images / "b.Jpg", images / "sub/c.png", images / "B.txt")
    touch(images / "d.PNG", images / "d.jpg", images / "e.png", images / "e.PNG")
    names = ["a", "b", "d", "e", "sub/c"]
    found = find_images(images, names, SUFFIXES)
    assert [str(found[name].relative_to(images)) for name in names] == [
        "a.PNG", "b.Jpg", "d.jpg", "e.png", "sub/c.png"
    ]  # fmt: skip
    assert LAYOUT.names(tmp_path, "all") == ["a", "b", "d", "e"]
    assert [path.name for path in images_in(images, SUFFIXES)] == [
        "a.PNG", "b.Jpg", "d.PNG", "d.jpg", "e.PNG", "e.png"
    ]  # fmt: skip
    assert images_in(tmp_path / "nowhere", SUFFIXES) == []


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "b_left.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DataError, match=r"no picture \(\.jpg, \.png\) for A, folder, far/a$"):
        find_images(tmp_path, ["a", "A", "folder", "far/a"], SUFFIXES)
    with pytest.raises(DataError, match=r"for a\.png; ids are names without suffix"):
        find_images(tmp_path, ["a.png"], SUFFIXES)
    with pytest.raises(DataError, match=r"no such folder; it should hold the pictures <id>\.jpg\|"):
        find_images(tmp_path / "nowhere", ["a"], SUFFIXES)
    assert find_images(tmp_path, ["b"], ("_left.png",)) == {"b": tmp_path / "b_left.png"}

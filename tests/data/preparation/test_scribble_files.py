from pathlib import Path

import pytest
from tests import published_datasets as published

from scribbleseg.annotation.raster import Raster
from scribbleseg.data.preparation import Options
from scribbleseg.data.preparation.scribble_files import (
    find_scribbles,
    find_variants,
    scribble_remarks,
)
from scribbleseg.errors import DataError

DEFAULT = Raster("reference-1px")


def find(root: Path, **options: object) -> object:
    return find_scribbles(
        root,
        Options(**options),  # type: ignore[arg-type]
        ("png", "xml"),
        default=DEFAULT,
        get="get them",
    )


def test_scribbles_are_looked_for_in_the_dataset_and_beside_it(tmp_path: Path) -> None:
    root = tmp_path / "VOC2012"
    (root / "png").mkdir(parents=True)  # empty
    assert find(root) is None
    published.write_strokes(tmp_path / "xml/a.xml", published.STROKES)
    found = find(root)
    assert (found.folder, found.raster) == (tmp_path / "xml", DEFAULT)  # type: ignore[attr-defined]
    (root / "png/b.png").touch()  # the first name wins
    found = find(root)
    assert (list(found.files), found.raster) == (["b"], None)  # type: ignore[attr-defined]
    found = find(root, scribbles=tmp_path, raster=Raster("line-3px"))
    assert found.raster == Raster("line-3px")  # type: ignore[attr-defined]
    (tmp_path / "xml/a.png").touch()
    with pytest.raises(DataError, match="holds XML and PNG files; give the folder of one kind"):
        find(tmp_path / "elsewhere", scribbles=tmp_path / "xml")


def test_a_folder_of_label_images_is_one_variant(tmp_path: Path) -> None:
    folders = ("drawn_{}",)
    assert find_variants(tmp_path, Options(), folders) == {}
    (tmp_path / "a_x.png").touch()
    assert find_variants(tmp_path, Options(), folders) == {}  # pictures, for all we know
    found = find_variants(Path(), Options(scribbles=tmp_path), folders, tail="_x")
    assert {name: list(one.files) for name, one in found.items()} == {"r1": ["a"]}
    found = find_variants(Path(), Options(scribbles=tmp_path, variant="r3"), folders)
    assert list(found) == ["r3"]
    (tmp_path / "drawn_r2").mkdir()
    (tmp_path / "drawn_r2/b.png").touch()
    found = find_variants(tmp_path, Options(), folders)
    assert {name: one.kind for name, one in found.items()} == {"r2": "scribble"}
    with pytest.raises(DataError, match=r"no scribbles <id>\.png; looked for drawn_r3 there"):
        find_variants(tmp_path, Options(variant="r3"), folders)


def test_images_without_scribbles_are_counted(tmp_path: Path) -> None:
    assert list(scribble_remarks(None, ["a"], get="get them")) == ["no scribbles: get them"]
    (tmp_path / "a.png").touch()
    found = find_variants(Path(), Options(scribbles=tmp_path), ("drawn_{}",))["r1"]
    assert list(scribble_remarks(found, ["a"], get="")) == []
    (remark,) = scribble_remarks(found, ["a", "b", "c"], get="")
    assert remark.endswith("no scribble for b, c (2 of 3 training images)")

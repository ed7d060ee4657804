from pathlib import Path

import pytest

from scribbleseg.data.preparation.source_tree import (
    disjoint,
    files_by_id,
    folder_of,
    present,
    read_ids,
)
from scribbleseg.errors import DataError


def test_the_first_folder_that_holds_what_is_wanted_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b/JPEGImages").mkdir(parents=True)
    candidates = ("a", "b", ".")
    assert folder_of("VOC", tmp_path, candidates, get="get it") == tmp_path / "a"
    found = folder_of("VOC", tmp_path, candidates, get="get it", holding="JPEGImages")
    assert found == tmp_path / "b"
    with pytest.raises(DataError, match=r"no VOC; looked for a/x, b/x, x there; get it from here"):
        folder_of("VOC", tmp_path, candidates, get="get it from here", holding="x")


def test_files_are_found_by_id_and_hidden_ones_left_out(tmp_path: Path) -> None:
    for name in ("b.png", "a_L.png", "._a.png", "notes.txt"):
        (tmp_path / name).touch()
    assert list(files_by_id(tmp_path, ".png")) == ["a_L", "b"]
    assert files_by_id(tmp_path, "_L.png") == {"a": tmp_path / "a_L.png"}
    (tmp_path / "x\ny.png").touch()
    with pytest.raises(DataError, match=r"is no image id; rename or remove it"):
        files_by_id(tmp_path, ".png")


def test_lists_are_read_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("2008_1\n\n2007_2 \n")
    assert read_ids(path) == ["2008_1", "2007_2"]
    with pytest.raises(DataError, match=r"val\.txt: no such list"):
        read_ids(tmp_path / "val.txt")


def test_lists_that_share_images_and_missing_files_are_refused(tmp_path: Path) -> None:
    lists = {Path("a"): ["1", "2"], Path("b"): ["3"], Path("c"): ["2", "3", "1"]}
    with pytest.raises(DataError, match=r"^a and c share 1, 2; "):
        disjoint(lists)
    disjoint({Path("a"): ["1"], Path("b"): ["2"]})
    (tmp_path / "1").touch()
    present("masks", {"1": tmp_path / "1"}, get="")
    with pytest.raises(DataError, match=r"no masks .*/2 \(1 of 2\); get them"):
        present("masks", {"1": tmp_path / "1", "2": tmp_path / "2"}, get="get them")

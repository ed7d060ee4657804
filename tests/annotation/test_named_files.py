from pathlib import Path

import pytest
from PIL import Image

from scribbleseg.annotation.formats import Options
from scribbleseg.annotation.named_files import label_pictures, named_files
from scribbleseg.errors import DataError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_ids_are_paths_without_suffix(tmp_path: Path) -> None:
    touch(tmp_path / "b/scan.01.nii.gz", tmp_path / "a.NII", tmp_path / "c.txt.gz")
    assert named_files(tmp_path, (".nii", ".nii.gz")) == {
        "a": tmp_path / "a.NII",
        "b/scan.01": tmp_path / "b/scan.01.nii.gz",
    }
    assert list(named_files(tmp_path / "a.NII", (".nii",))) == ["a"]


def test_files_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "a.nii", tmp_path / "a.nii.gz")
    with pytest.raises(DataError, match="two pictures would have one id: 'a'"):
        named_files(tmp_path, (".nii", ".nii.gz"))
    with pytest.raises(DataError, match=r"no file \*\.xml"):
        named_files(tmp_path, (".xml",))
    touch(tmp_path / "d/c.txt.gz")
    with pytest.raises(DataError, match=r"no file \*\.nii\.gz"):
        named_files(tmp_path / "d", (".nii.gz",))


def test_pictures_of_labels(tmp_path: Path) -> None:
    touch(tmp_path / "labels/a.png", tmp_path / "labels/b.png", tmp_path / "labels/c.png")
    touch(tmp_path / "images/a.png", tmp_path / "labels/b.jpg", tmp_path / "other/a.jpg")
    entries = label_pictures(tmp_path / "labels", Options())
    assert [(entry.name, entry.picture) for entry in entries] == [
        ("a", tmp_path / "images/a.png"),
        ("b", tmp_path / "labels/b.jpg"),
        ("c", None),
    ]
    entry, *_ = label_pictures(tmp_path / "labels", Options(images=tmp_path / "other"))
    assert entry.picture == tmp_path / "other/a.jpg"
    entry, = label_pictures(tmp_path / "labels/a.png", Options())  # fmt: skip
    assert entry.picture == tmp_path / "images/a.png"


def test_pictures_of_other_folders_are_not_those_of_labels(tmp_path: Path) -> None:
    touch(tmp_path / "labels/A/a.png", tmp_path / "labels/C/a.png", tmp_path / "images/A/a.jpg")
    entries = label_pictures(tmp_path / "labels", Options())
    assert [entry.picture for entry in entries] == [tmp_path / "images/A/a.jpg", None]


def test_labels_as_jpeg_are_refused(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="only JPEG files; JPEG mixes neighbouring labels"):
        label_pictures(tmp_path, Options())


def test_links_out_of_the_folder_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "secret.png", tmp_path / "labels/a.png")
    (tmp_path / "labels/b.png").symlink_to(tmp_path / "secret.png")
    assert [entry.name for entry in label_pictures(tmp_path / "labels", Options())] == ["a"]

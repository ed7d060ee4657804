from pathlib import Path

import pytest

from scribbleseg.data.preparation.manifest import (
    MANIFEST,
    append_line,
    hash_or_none,
    made_with,
    read_manifest,
    write_manifest,
)
from scribbleseg.errors import RunError

HEADER = {"manifest": 1, "settings": {"width": 3}}


def line(job: str) -> dict[str, object]:
    return {"job": job, "files": {"a.png": "0"}, "sources": {}, "facts": {}, "remarks": []}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_manifest(tmp_path, HEADER, [line("a")])
    with (tmp_path / MANIFEST).open("a") as file:
        append_line(file, line("b"))
        append_line(file, {**line("a"), "facts": {"later": True}})
        file.write('{"job": "c", "fil')  # a kill
    assert made_with(tmp_path) == {"width": 3}
    found = read_manifest(tmp_path, {"width": 3}, overwrite=False)
    assert list(found) == ["a", "b"]
    assert found["a"]["facts"] == {"later": True}


def test_other_settings(tmp_path: Path) -> None:
    write_manifest(tmp_path, HEADER, [line("a")])
    with pytest.raises(RunError, match="made with other settings: rule None -> 'x', width 3 -> 1"):
        read_manifest(tmp_path, {"width": 1, "rule": "x"}, overwrite=False)
    assert list(read_manifest(tmp_path, {"width": 1}, overwrite=True)) == ["a"]


def test_a_new_folder_has_made_nothing(tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "new", {}, overwrite=False) == {}
    assert made_with(tmp_path) is None
    (tmp_path / "lock").write_text("")
    assert read_manifest(tmp_path, {}, overwrite=False) == {}
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(RunError, match="was not made by this command"):
        read_manifest(tmp_path, {}, overwrite=True)


@pytest.mark.parametrize("content", [b"", b"5\n", b'{"settings": 5}\n', b"\xff\n", b"[]\n"])
def test_damaged_manifests(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    assert made_with(tmp_path) is None
    with pytest.raises(RunError, match="is no manifest of this command"):
        read_manifest(tmp_path, {}, overwrite=True)


def test_the_hash_of_nothing(tmp_path: Path) -> None:
    assert hash_or_none(tmp_path / "a") is None
    (tmp_path / "a").write_text("")
    assert str(hash_or_none(tmp_path / "a")).startswith("e3b0c442")

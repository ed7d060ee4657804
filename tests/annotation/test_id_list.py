from pathlib import Path

import pytest

from scribbleseg.annotation import read_list
from scribbleseg.errors import DataError


def test_ids_may_hold_spaces_and_unicode(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffcell 1\r\n\r\nstraße_2\r\n".encode())
    assert read_list(tmp_path / "a.txt") == ["cell 1", "straße_2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \n", "the list is empty"),
        (b"a\nb\na\n", "a listed more than once"),
        ("straße\n".encode("latin-1"), "byte 4 is not UTF-8"),
    ],
)
def test_bad_lists(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.txt: .*{message}"):
        read_list(tmp_path / "a.txt")

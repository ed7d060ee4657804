import hashlib
from pathlib import Path

import pytest

from scribbleseg.annotation.file_hash import sha256_of


def test_it_is_that_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc" * 100_000)
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(FileNotFoundError):
        sha256_of(tmp_path / "b")

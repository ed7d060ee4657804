from pathlib import Path

import pytest

from scribbleseg.errors import RunError
from scribbleseg.recipes.json_file import read_json


def test_there_damaged_or_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert read_json(path) == {}
    path.write_text('{"ä": 1}', encoding="utf-8")
    assert read_json(path) == {"ä": 1}
    for content in (b"", b'{"a"', b"\xff\xfe", b"[]", b"null"):
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"a\.json: is damaged, no JSON object; delete this f"):
            read_json(path)

from pathlib import Path

import pytest

from scribbleseg.errors import ConfigError
from scribbleseg.recipes.yaml_fields import mapping_at, read_fields, refuse_unknown


def test_fields_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("one: 1\ntwo: {three: [é]}\n", encoding="utf-8")
    assert read_fields(tmp_path / "a.yaml", "a list") == {"one": 1, "two": {"three": ["é"]}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", r"a\.yaml: not valid YAML"),
        (b"\xff\xfe\xff", r"a\.yaml: not valid YAML"),
        (b"", r"a\.yaml: a list is None; expected 'name: value' lines"),
        (b"1: x", r"a\.yaml: a list is \{1: 'x'\}; expected"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_fields(tmp_path / "a.yaml", "a list")


def test_names_are_known_or_refused() -> None:
    path = Path("a.yaml")
    assert mapping_at(path, "x", {"size": 1}) == {"size": 1}
    refuse_unknown(path, "x.", {"size": 1}, ("size", "place"))
    with pytest.raises(ConfigError, match=r"a.yaml: 'x.siz' is unknown; did you mean 'x.size'\? "):
        refuse_unknown(path, "x.", {"siz": 1}, ("size", "place"))
    with pytest.raises(ConfigError, match=r"'q' is unknown; known: size, place"):
        refuse_unknown(path, "", {"q": 1}, ("size", "place"))

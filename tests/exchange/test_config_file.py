import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scribbleseg.errors import CheckpointError
from scribbleseg.exchange import ModelDescription
from scribbleseg.exchange.config_file import config_text, read_config

Mutation = Callable[[dict[str, Any]], object]


@pytest.fixture
def path(small: ModelDescription, tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(config_text(small, "0" * 64), encoding="utf-8")
    return path


def test_round_trip(path: Path, small: ModelDescription) -> None:
    config = read_config(path)
    assert (config.model.class_names, config.sha256) == (small.class_names, "0" * 64)
    assert config.model.network.arguments == {"widths": [2, 4]}
    assert config.library.startswith("scribbleseg ")


@pytest.mark.parametrize(
    ("mutate", "message"),
    [
        (lambda c: c.pop("format"), "was not written by scribbleseg"),
        (lambda c: c.update(format=2), r"format 2, but this version reads 1; update scribbleseg"),
        (lambda c: c.update(format={"a": []}), "format {'a'"),
        (lambda c: c.update(hook="os"), "config: unknown: hook .*by scribbleseg 0"),
        (lambda c: c.pop("model"), "config: missing: model"),
        (lambda c: c["model"].update(network="os.system"), r"model\.network: os\.system is not an"),
        (lambda c: c["model"].update(class_names="abc"), r"model\.class_names: abc is not tuple"),
        (lambda c: c["model"].update(class_names=["a"]), "palette: 3 colours for 1 classes"),
        (lambda c: c["model"]["picture"].update(image_mode="CMYK"), "CMYK is not one of RGB, L"),
        (lambda c: c["model"]["picture"].update(mean=[1, 2]), r"mean, std: 1 value\(s\) each"),
        (lambda c: c["model"]["picture"].update(std=["1"]), r"picture\.std\[0\]: 1 is not float"),
        (lambda c: c["model"]["inference"].update(tile=1), "tile: 1 must be at least 256"),
        (
            lambda c: c["model"]["network"].update(arguments={"widths": {"class_path": "os"}}),
            r"arguments\.widths: .* is not",
        ),
    ],
)
def test_mutations_are_named(path: Path, mutate: Mutation, message: str) -> None:
    content = json.loads(path.read_text())
    mutate(content)
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=rf"config\.json: .*{message}"):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON"),
        ("[1]", "was not written by scribbleseg"),
        ('{"format": NaN}', "no JSON .*NaN is not a number"),
        ('{"format": ' + "1" * 5000 + "}", "no JSON"),
        ("[" * 100_000, "nested too deeply"),
        (" " * (1 << 22) + "{}", "larger than 4194304 bytes"),
        ("\udcff", "no JSON"),
    ],
    ids=["empty", "list", "nan", "digits", "deep", "large", "bytes"],
)
def test_what_is_no_config(path: Path, text: str, message: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=message):
        read_config(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot be read \(No such file"):
        read_config(tmp_path / "config.json")
    with pytest.raises(CheckpointError, match=r"cannot be read \(Is a directory"):
        read_config(tmp_path)

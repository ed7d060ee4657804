import argparse
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.networks.test_weights import Payload

from scribbleseg.errors import CheckpointError
from scribbleseg.exchange.weight_file import read_safetensors, read_torch_file, tensors_of


def test_what_training_scripts_store_beside_the_weights(tmp_path: Path) -> None:
    options = argparse.Namespace(lr=0.1, name="a")
    iou = np.array([0.25, 0.75])
    content = {"state_dict": {"w": torch.ones(2)}, "best": np.float64(0.5), "args": options}
    content["best_pred"] = [0.5, iou]
    torch.save(content, tmp_path / "a.pth")
    found = read_torch_file(tmp_path / "a.pth")
    assert (found["best"], found["args"].lr) == (0.5, 0.1)
    np.testing.assert_array_equal(found["best_pred"][1], iou)
    torch.save(content, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read_torch_file(tmp_path / "old.pth")["state_dict"]["w"], torch.ones(2))


class Claim:
    """Asks for an array of a terabyte."""

    def __reduce__(self) -> tuple[object, ...]:
        rebuild, _, _ = np.zeros(0).__reduce__()
        return rebuild, (np.ndarray, (1 << 40,), b"b")


def test_an_array_that_claims_more_than_it_has(tmp_path: Path) -> None:
    torch.save({"a": Claim()}, tmp_path / "claim.pth")
    with pytest.raises(CheckpointError, match=r"claim\.pth"):
        read_torch_file(tmp_path / "claim.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_executed(tmp_path: Path, zipped: bool) -> None:
    torch.save(
        {"a": Payload(tmp_path / "executed")},
        tmp_path / "evil.pth",
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(
        CheckpointError,
        match=r"evil\.pth: holds more than .* \(it asks for getattr\), and is not executed; if you",
    ):
        read_torch_file(tmp_path / "evil.pth")
    assert not (tmp_path / "executed").exists()


def test_damaged_and_other_files(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with pytest.raises(CheckpointError, match=r"a\.pth: no such file"):
        read_torch_file(path)
    torch.save([1], path)
    with pytest.raises(CheckpointError, match="expected a dictionary, found list"):
        read_torch_file(path)
    torch.save({"w": torch.ones(1000)}, path)
    whole = path.read_bytes()
    for part in (whole[:-300], b"hello", b""):
        path.write_bytes(part)
        with pytest.raises(CheckpointError, match=r"a\.pth: "):
            read_torch_file(path)
    flipped = bytearray(whole)
    flipped[whole.index(torch.ones(4).numpy().tobytes())] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(CheckpointError, match=r"record .* is damaged"):
        read_torch_file(path)


def test_a_record_that_unfolds(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1000)}, tmp_path / "a.pth")
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as source,
        zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in source.namelist():
            packed.writestr(name, source.read(name))
    with pytest.raises(CheckpointError, match="is compressed, which torch never does"):
        read_torch_file(tmp_path / "b.pth")


def test_a_tensor_that_claims_more_than_it_has() -> None:
    huge = torch.zeros(1).expand(1 << 20, 1 << 20)
    with pytest.raises(CheckpointError, match=r"x: 'w' has 1099511627776 values but no room"):
        tensors_of(Path("x"), {"w": huge})
    with pytest.raises(CheckpointError, match=r"x: expected tensors by name, but 'epoch' is int"):
        tensors_of(Path("x"), {"w": torch.zeros(1), "epoch": 3})


def header(content: object, size: int | None = None) -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        header({}, 1 << 62),
        header({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}) + bytes(4),
        header({"w": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 0]}}),
        header({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1 << 40]}}) + bytes(4),
        header({"w": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 4]}}) + bytes(4),
        header({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}) + bytes(4),
    ],
    ids=["empty", "short", "header", "shape", "overflow", "offset", "type", "negative"],
)
def test_headers_are_not_believed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"w\.safetensors: not a readable safetensors file \(.{5,200}\)$"
    ):
        read_safetensors(tmp_path / "w.safetensors")


def test_safetensors(tmp_path: Path) -> None:
    save_file({"w": torch.arange(3)}, tmp_path / "w.safetensors")
    assert read_safetensors(tmp_path / "w.safetensors")["w"].tolist() == [0, 1, 2]
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        read_safetensors(tmp_path / "none.safetensors")

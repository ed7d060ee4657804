from functools import partial
from pathlib import Path

import pytest
import torch
from tests.networks.test_weights import Payload

from scribbleseg.errors import CheckpointError
from scribbleseg.methods import FullSupervision, PartialCrossEntropy
from scribbleseg.networks import PlainUNet
from scribbleseg.recipes.checkpoint import load_weights, read_checkpoint


def task(
    width: int = 4, method: type = PartialCrossEntropy, classes: int = 2
) -> PartialCrossEntropy:
    made: PartialCrossEntropy = method(
        network=partial(PlainUNet, widths=(width, 8)), class_names=list("abcdefgh"[:classes])
    )
    return made


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    checkpoint: dict[str, object] = {"state_dict": task().state_dict()}
    task().on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt"


def test_differences_are_listed(saved: Path) -> None:
    load_weights(task(), saved)
    with pytest.raises(
        CheckpointError, match=r"method PartialCrossEntropy instead of FullSupervision"
    ):
        load_weights(task(method=FullSupervision), saved)
    with pytest.raises(
        CheckpointError, match=r"class_names \['a', 'b'\] instead of 8 classes \(a, b, c, \.\.\.\)"
    ):
        load_weights(task(classes=8), saved)
    with pytest.raises(
        CheckpointError,
        match=r"net\.encoder\.0\.0\.weight is \(4, 3, 3, 3\), expected \(5, 3, 3, 3\)",
    ):
        load_weights(task(width=5), saved)


def test_a_checkpoint_is_never_executed(tmp_path: Path) -> None:
    torch.save(
        {"scribbleseg": {}, "state_dict": Payload(tmp_path / "executed")}, tmp_path / "evil.ckpt"
    )
    with pytest.raises(CheckpointError, match=r"evil\.ckpt: cannot be read as plain data"):
        read_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "executed").exists()


def test_other_files(saved: Path, tmp_path: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:500])
    with pytest.raises(CheckpointError, match=r"a\.ckpt: cannot be read"):
        read_checkpoint(saved)
    torch.save({"state_dict": {}}, tmp_path / "b.ckpt")
    with pytest.raises(CheckpointError, match=r"b\.ckpt: is not a checkpoint of scribbleseg"):
        read_checkpoint(tmp_path / "b.ckpt")
    with pytest.raises(CheckpointError, match="no such file"):
        read_checkpoint(tmp_path / "c.ckpt")

import errno
import io
import multiprocessing
import os
import resource
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest
import torch
from tests.networks.test_weights import Payload

from scribbleseg.errors import CheckpointError
from scribbleseg.methods import FullSupervision, PartialCrossEntropy
from scribbleseg.networks import PlainUNet
from scribbleseg.recipes.checkpoint import (
    CheckpointWriter,
    load_weights,
    read_checkpoint,
    write_checkpoint,
)


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


OLD, NEW = {"weights": torch.zeros(50_000)}, {"weights": torch.ones(50_000)}


def assert_old(path: Path) -> None:
    """The checkpoint from before is whole, and nothing lies beside it."""
    assert torch.equal(torch.load(path, weights_only=True)["weights"], OLD["weights"])
    assert [other.name for other in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("stage", ["torch.save", "os.fsync", "pathlib.Path.replace"])
def test_a_failed_write_is_said_and_keeps_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, number: int
) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint(OLD, path)

    def fails(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(stage, fails)
    with pytest.raises(
        CheckpointError,
        match=rf"last\.ckpt: could not be written \(.*{os.strerror(number)}.*\); the one before",
    ):
        write_checkpoint(NEW, path)
    assert_old(path)


def write_with_limit(path: Path, limit: int) -> None:
    """No file of this process may grow beyond the limit, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        write_checkpoint(NEW, path)
    except CheckpointError as error:
        os._exit(7 if os.strerror(errno.EFBIG) in str(error) else 8)
    os._exit(0)


@pytest.mark.parametrize("limit", [0, 1, 64, 1000, 4096, 65_536, 200_000, 200_500, 1_000_000])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_full_disk_is_said_wherever_it_ends(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint(OLD, path)
    fits = limit > path.stat().st_size
    process = multiprocessing.get_context("fork").Process(
        target=write_with_limit, args=(path, limit)
    )
    process.start()
    process.join()
    if fits:
        assert process.exitcode == 0
        assert torch.equal(torch.load(path, weights_only=True)["weights"], NEW["weights"])
    else:
        assert process.exitcode == 7
        assert_old(path)


def test_what_does_not_read_back_does_not_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, save = tmp_path / "last.ckpt", torch.save
    write_checkpoint(OLD, path)

    def damages(content: object, file: IO[bytes]) -> None:
        memory = io.BytesIO()
        save(content, memory)
        data = bytearray(memory.getvalue())
        data[len(data) // 2] ^= 1
        file.write(data)

    monkeypatch.setattr(torch, "save", damages)
    with pytest.raises(CheckpointError, match=r"could not be written \(BadZipFile: record .*data"):
        write_checkpoint(NEW, path)
    assert_old(path)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"could not be written .*; the one before"):
        write_checkpoint({"weights": object()}, path)
    assert_old(path)


def test_a_flipped_bit_is_found_when_reading(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[len(data) // 2] ^= 1
    saved.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"a\.ckpt: cannot be read as plain data"):
        read_checkpoint(saved)


def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    written: list[str] = []
    writer = CheckpointWriter(tmp_path)
    for score in (float("nan"), 0.4, float("nan"), 0.3, float("inf"), 0.5):
        trainer = SimpleNamespace(
            state=SimpleNamespace(fn="fit"),
            sanity_checking=False,
            callback_metrics={"val/miou": torch.tensor(score)},
            strategy=SimpleNamespace(reduce_boolean_decision=lambda decision, **_: decision),
            save_checkpoint=lambda path, score=score, **_: written.append(f"{path.name} {score}"),
        )
        writer.on_validation_end(trainer, task())  # type: ignore[arg-type]
    assert written == ["best.ckpt 0.4", "best.ckpt 0.5"]

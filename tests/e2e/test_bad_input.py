"""Whatever is wrong with the files: one line says which, what, and what to do; nothing is kept."""

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.annotation.test_image_file import write_header
from tests.e2e.test_train import write_config
from tests.networks.test_weights import Payload

from scribbleseg.annotation import read_label, write_label
from scribbleseg.cli.main import main
from scribbleseg.data import ScribbleDataset
from scribbleseg.data.transforms import RandomRotation
from scribbleseg.methods import PartialCrossEntropy


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the drawn dataset that a test may spoil."""
    return Path(shutil.copytree(drawn, tmp_path / "cells"))


def fit(root: Path, *arguments: str) -> int:
    config = write_config(root.parent, root)
    return main(["fit", "--config", config, "--run", str(root.parent / "run"), *arguments])


def picture(root: Path, name: str = "cell 1") -> Path:
    return root / f"images/{name}.png"


def scribble(root: Path, name: str = "cell 1") -> Path:
    return root / f"scribbles/{name}.png"


def as_jpeg(root: Path, mode: str = "RGB", **options: Any) -> Path:
    """Put a JPEG of the same picture in the PNG's place."""
    with Image.open(picture(root)) as image:
        image.convert(mode).save(picture(root).with_suffix(".jpg"), quality=95, **options)
    picture(root).unlink()
    return picture(root).with_suffix(".jpg")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def relabel(path: Path, old: int, new: int) -> None:
    label = read_label(path).copy()
    label[label == old] = new
    write_label(path, label)


def save_as_grey(path: Path) -> None:
    """What a program leaves that reads colours instead of indices."""
    write_label(path, read_label(path))
    with Image.open(path) as image:
        grey = np.asarray(image.convert("RGB").convert("L"))
    Image.fromarray(grey).save(path)


def with_alpha(path: Path) -> None:
    with Image.open(path) as image:
        image.putalpha(128)
        image.save(path)


def sixteen_bit(path: Path) -> None:
    with Image.open(path) as image:
        grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(path)


def crop(path: Path) -> None:
    with Image.open(path) as image:
        image.crop((0, 0, 40, 48)).save(path)


def turned(root: Path) -> None:
    """The label was drawn by a program that ignores how the camera was held."""
    exif = Image.Exif()
    exif[0x0112] = 6
    as_jpeg(root, exif=exif)


BAD = {
    "missing folder": (
        lambda root: shutil.rmtree(root / "images"),
        "images: no such folder; it should hold the pictures",
    ),
    "missing picture": (
        lambda root: picture(root).unlink(),
        "images: no picture (.jpg, .jpeg, .png, .tif, .tiff, .bmp, .webp) for cell 1",
    ),
    "empty list": (
        lambda root: (root / "train.txt").write_text("\n"),
        "train.txt: the list is empty; write one image id a line",
    ),
    "list not in UTF-8": (
        lambda root: (root / "train.txt").write_bytes("zellgröße".encode("latin-1")),
        "train.txt: byte 6 is not UTF-8; save the list as UTF-8",
    ),
    "missing list": (
        lambda root: (root / "test.txt").unlink(),
        "list 'val' not found; looked for",
    ),
    "missing scribble": (
        lambda root: scribble(root).unlink(),
        "scribbles/cell 1.png missing; draw them, remove the images from the list, or declare",
    ),
    "missing mask": (
        lambda root: (root / "masks/cell 9.png").unlink(),
        "masks: no mask for cell 9 of list",
    ),
    "size mismatch": (
        lambda root: crop(scribble(root)),
        "cell 1.png: label is 40x48 but cell 1.png is 64x48 pixels",
    ),
    "turned picture": (
        turned,
        "cell 1.png: label is 64x48 but cell 1.jpg is 48x64 pixels; were width and height "
        "exchanged?",
    ),
    "label out of range": (
        lambda root: relabel(scribble(root), 1, 3),
        "expected 0..2 or 255 (unlabelled). Is the class list complete?",
    ),
    "mask out of range": (
        lambda root: relabel(root / "masks/cell 9.png", 1, 254),
        "cell 9.png: label 254 on",
    ),
    "palette read as grey": (
        lambda root: save_as_grey(scribble(root)),
        "Were palette colours saved as grey values?",
    ),
    "label with colours": (
        lambda root: Image.new("RGB", (64, 48), (200, 0, 0)).save(scribble(root)),
        "this one has colours (mode RGB); convert the colours to indices first",
    ),
    "truncated JPEG": (
        lambda root: truncate(as_jpeg(root)),
        "cell 1.jpg: cannot be read (image file is truncated",
    ),
    "truncated test picture": (
        lambda root: truncate(picture(root, "cell 10")),
        "cell 10.png: cannot be read",
    ),
    "truncated label": (lambda root: truncate(scribble(root)), "scribbles/cell 1.png: cannot be"),
    "zero-byte PNG": (
        lambda root: picture(root).write_bytes(b""),
        "cell 1.png: not a picture (0 bytes); export it again as PNG or JPEG",
    ),
    "text called PNG": (
        lambda root: picture(root).write_text("hello"),
        "cell 1.png: not a picture (5 bytes)",
    ),
    "50000 x 50000 PNG header": (
        lambda root: write_header(picture(root), 50_000, 50_000),
        "cell 1.png: Image size (2500000000 pixels) exceeds limit",
    ),
    "50000 x 50000 label header": (
        lambda root: write_header(scribble(root), 50_000, 50_000),
        "cell 1.png: Image size (2500000000 pixels) exceeds limit",
    ),
    "CMYK": (
        lambda root: as_jpeg(root, "CMYK"),
        "cell 1.jpg: colour mode CMYK cannot be read faithfully; allowed: 8-bit grey, RGB or",
    ),
    "16 bit": (
        lambda root: sixteen_bit(picture(root)),
        "cell 1.png: colour mode I;16 cannot be read faithfully",
    ),
    "alpha": (
        lambda root: with_alpha(picture(root)),
        "cell 1.png: the picture has transparent pixels; flatten it onto a background colour",
    ),
    "empty scribble": (
        lambda root: write_label(scribble(root), np.full((48, 64), 255, np.uint8)),
        "nothing is drawn in 1 of 8 label images",
    ),
    "background never drawn": (
        lambda root: [relabel(path, 0, 255) for path in (root / "scribbles").glob("*.png")],
        "class 'background' (index 0) is never drawn in 8 label images",
    ),
    "unknown key in dataset.yaml": (
        lambda root: (root / "dataset.yaml").write_text("clases: [a, b]\n"),
        "dataset.yaml: 'clases' is unknown; did you mean 'classes'?",
    ),
}
"""What is done to the dataset, and part of the line that must come of it."""


@pytest.mark.parametrize("case", BAD)
def test_it_is_refused_in_one_line_before_training(
    root: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, message = BAD[case]
    spoil(root)  # type: ignore[operator]
    assert fit(root) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("scribbleseg: error: ")
    assert error.count("\n") == 1
    assert not (root.parent / "run").exists()


def test_several_problems_are_counted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cell 1", "cell 3", "cell 4"):
        picture(root, name).write_bytes(b"")
    assert fit(root) == 2
    assert f"(2 more: scribbleseg check {root})" in capsys.readouterr().err


@pytest.mark.parametrize("checkpoint", ["other method", "other classes", "hostile", "damaged"])
def test_checkpoints_that_do_not_belong_here(
    root: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(root, "--trainer.max_steps", "1") == 0
    run = root.parent / "run"
    last, arguments = run / "checkpoints/last.ckpt", []
    if checkpoint == "other method":
        arguments = ["--model", "scribbleseg.methods.EntropyMinimisation"]
        message = "belongs to something else: method PartialCrossEntropy instead of Entropy"
    elif checkpoint == "other classes":
        text = (root / "dataset.yaml").read_text()
        (root / "dataset.yaml").write_text(text.replace("square", "box"))
        message = "class_names ['background', 'disc', 'square'] instead of ['background', 'disc', "
    elif checkpoint == "hostile":
        content = torch.load(last, weights_only=True)
        torch.save({**content, "state_dict": Payload(root.parent / "executed")}, last)
        message = "last.ckpt: cannot be read as plain data"
    else:
        truncate(last)
        message = "last.ckpt: cannot be read as plain data (BadZipFile: File is not a zip file)"
    capsys.readouterr()
    assert main(["test", "--run", str(run), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert main(["fit", "--resume", "--run", str(run), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (root.parent / "executed").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_breaks_while_training_is_one_line_too(
    root: Path,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    original = ScribbleDataset._read

    def breaks(self: ScribbleDataset, record: Any) -> Any:
        if record.name == "cell 5":
            record.image.write_bytes(b"")
        return original(self, record)

    monkeypatch.setattr(ScribbleDataset, "_read", breaks)
    assert fit(root, "--data.num_workers", str(workers)) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"scribbleseg: error: {picture(root, 'cell 5')}: not a picture (0 byte")
    assert error.count("\n") == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fault_in_a_transform_comes_with_the_image_and_its_traceback(
    root: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> None:
        raise KeyError("angle")

    monkeypatch.setattr(RandomRotation, "make_params", fails)
    with pytest.raises(KeyError) as caught:
        fit(root, "--data.num_workers", str(workers))
    said = "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert "while image 'cell " in said
    assert "angle" in said
    assert workers == 0 or "in fails" in said


def test_a_killed_worker_is_explained(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parent, original = os.getpid(), ScribbleDataset._read

    def dies(self: ScribbleDataset, record: Any) -> Any:
        if os.getpid() != parent and record.name == "cell 5":
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, record)

    monkeypatch.setattr(ScribbleDataset, "_read", dies)
    assert fit(root, "--data.num_workers", "1") == 2
    error = capsys.readouterr().err
    # It is missed by its process, or by the pipe that it was answering through.
    assert re.search(r"DataLoader worker (\(pid|is gone \(\[Errno)", error)
    assert "memory ran out: go on with --resume and a lower --data.num_workers" in error
    assert error.count("\n") == 1


def test_out_of_memory_is_explained(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(self: PartialCrossEntropy, batch: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore.")

    monkeypatch.setattr(PartialCrossEntropy, "training_loss", fails)
    assert fit(root) == 2
    error = capsys.readouterr().err
    assert "out of memory at --data.batch_size 2 (CUDA out of memory. Tried to" in error
    assert error.count("\n") == 1


def opaque_alpha(path: Path) -> None:
    with Image.open(path) as image:
        image.putalpha(255)
        image.save(path)


def turned_back(root: Path) -> None:
    """The camera was held upright, and says so; the label is drawn on what people see."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(picture(root)) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(
            picture(root).with_suffix(".jpg"), quality=95, exif=exif
        )
    picture(root).unlink()


def sixteen_bit_label(root: Path) -> None:
    write_label(scribble(root), read_label(scribble(root)).astype(np.uint16))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda root: opaque_alpha(picture(root)),
        lambda root: as_jpeg(root, "L"),
        turned_back,
        sixteen_bit_label,
    ],
    ids=["opaque alpha", "grey", "turned with its label", "16-bit label"],
)
def test_what_can_be_read_right_is_read(root: Path, spoil: Callable[[Path], None]) -> None:
    spoil(root)
    assert fit(root, "--trainer.max_steps", "4") == 0

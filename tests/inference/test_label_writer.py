from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from scribbleseg.annotation import read_label
from scribbleseg.data.layout import Record
from scribbleseg.inference import Decision, LabelWriter

PALETTE = [(0, 0, 0), (250, 10, 20)]


def test_labels_and_overlays(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (100, 100, 100)).save(tmp_path / "pic.jpg", quality=100)
    writer = LabelWriter(
        tmp_path / "labels",
        PALETTE,
        overlays=tmp_path / "over",
        records={"a/b": Record("a/b", tmp_path / "pic.jpg")},
    )
    label = torch.tensor([[0, 1, 1], [0, 0, 0]], dtype=torch.uint8)
    nobody: Any = SimpleNamespace()
    writer.on_predict_batch_end(
        nobody, nobody, {"decisions": [Decision(label)]}, {"name": ["a/b"]}, 0
    )
    written = tmp_path / "labels" / "a" / "b.png"
    np.testing.assert_array_equal(read_label(written), label.numpy())
    with Image.open(written) as image:
        assert image.mode == "P"
        assert image.getpalette()[3:6] == [250, 10, 20]
    tinted = np.asarray(Image.open(tmp_path / "over" / "a" / "b.png"))
    assert tinted.shape == (2, 3, 3)
    assert tinted[0, 1, 0] > 150 > 110 > tinted[1, 1, 0]


def test_many_classes_are_written_with_16_bits(tmp_path: Path) -> None:
    nobody: Any = SimpleNamespace()
    label = torch.tensor([[0, 300]], dtype=torch.int32)
    LabelWriter(tmp_path, PALETTE).on_test_batch_end(
        nobody, nobody, {"decisions": [Decision(label)]}, {"name": ["a"]}, 0
    )
    back = read_label(tmp_path / "a.png")
    assert back.dtype == np.uint16
    assert back.tolist() == [[0, 300]]

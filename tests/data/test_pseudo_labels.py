import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.test_dataset import LAYOUT, records
from tests.e2e.test_train import write_config

from scribbleseg.annotation import read_label, write_label
from scribbleseg.cli.main import main
from scribbleseg.data import ScribbleDataModule, ScribbleDataset
from scribbleseg.data.pseudo_labels import with_pseudo_labels
from scribbleseg.data.transforms import RandomCrop
from scribbleseg.errors import ConfigError, DataError


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    """The masks as pseudo labels, undecided in the last row, and a confidence for each."""
    for index in range(8):
        label = read_label(drawn / f"masks/cell {index}.png").copy()
        label[-1] = 255
        write_label(tmp_path / f"labels/cell {index}.png", label)
        ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
        Image.fromarray(ramp).save(tmp_path / f"labels/cell {index}.confidence.png")
    return tmp_path / "labels"


def test_label_and_confidence_are_read(drawn: Path, folder: Path) -> None:
    sample = ScribbleDataset(with_pseudo_labels(records(drawn), folder), LAYOUT)[2]
    label = sample["pseudo_label"]
    assert label.dtype == torch.int64
    np.testing.assert_array_equal(label, read_label(folder / "cell 2.png"))
    assert sample["pseudo_confidence"].dtype == torch.float32
    np.testing.assert_allclose(sample["pseudo_confidence"][0], np.arange(64) * 4 / 255, rtol=1e-6)
    assert "mask" not in sample


def test_they_move_with_the_picture_and_padding_is_undecided(drawn: Path, folder: Path) -> None:
    data = ScribbleDataset(
        with_pseudo_labels(records(drawn), folder), LAYOUT, transform=RandomCrop((60, 40))
    )
    sample = data[0]
    valid = sample["valid"]
    assert not valid.all()
    assert (sample["pseudo_label"][~valid] == 255).all()
    assert (sample["pseudo_confidence"][~valid] == 0).all()
    drawn_pixels = sample["scribble"] != 255
    decided = drawn_pixels & (sample["pseudo_label"] != 255)
    assert (sample["scribble"][decided] == sample["pseudo_label"][decided]).all()
    assert decided.sum() > 50


def test_confidence_may_be_left_out_for_all(drawn: Path, folder: Path) -> None:
    for path in folder.glob("*.confidence.png"):
        path.unlink()
    sample = ScribbleDataset(with_pseudo_labels(records(drawn), folder), LAYOUT)[0]
    assert "pseudo_confidence" not in sample


def test_what_is_missing_is_listed(drawn: Path, folder: Path) -> None:
    (folder / "cell 3.confidence.png").unlink()
    with pytest.raises(DataError, match=r"no <id>.confidence.png for cell 3 \(1 of 8 images\)"):
        with_pseudo_labels(records(drawn), folder)
    for index in (1, 5):
        (folder / f"cell {index}.png").unlink()
    with pytest.raises(DataError, match=r"no pseudo label for cell 1, cell 5 \(2 of 8 images\)"):
        with_pseudo_labels(records(drawn), folder)


def test_a_confidence_of_another_size(drawn: Path, folder: Path) -> None:
    Image.new("L", (5, 4)).save(folder / "cell 0.confidence.png")
    data = ScribbleDataset(with_pseudo_labels(records(drawn), folder), LAYOUT)
    with pytest.raises(DataError, match=r"cell 0.confidence.png: confidence is 5x4 but .* 64x48"):
        data[0]


def test_the_folder_is_looked_for_here_and_in_the_dataset(drawn: Path, tmp_path: Path) -> None:
    data = ScribbleDataModule(str(drawn), pseudo_labels="masks")
    path = data.train_dataset().records[0].pseudo_label
    assert path == drawn / "masks/cell 0.png"
    assert data.train_supervision == {"scribble", "pseudo_label"}
    with pytest.raises(
        ConfigError, match=r"no folder 'msks'; looked for msks, .*scribbleseg pseudo"
    ):
        ScribbleDataModule(str(drawn), pseudo_labels="msks").train_dataset()


def test_training_refuses_bad_pseudo_labels(
    drawn: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, drawn, pseudo_labels=str(folder))
    fit = ["fit", "--config", config, "--run", str(tmp_path / "run")]
    assert main(fit) == 2
    assert (
        "PartialCrossEntropy needs scribble and uses mask, scribble only" in capsys.readouterr().err
    )
    student = [*fit, "--model", "SelfTraining", "--trainer.max_steps", "2"]
    label = read_label(folder / "cell 7.png").copy()
    label[0, 0] = 7
    write_label(folder / "cell 7.png", label)
    assert main(student) == 2
    assert "cell 7.png: label 7 on 1 pixels" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    shutil.copy(folder / "cell 6.png", folder / "cell 7.png")
    assert main(student) == 0

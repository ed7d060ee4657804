from pathlib import Path

import pytest
from PIL import Image
from tests.drawn import draw_dataset

from scribbleseg.annotation import read_label, write_label
from scribbleseg.data import ScribbleDataModule
from scribbleseg.errors import DataError


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A dataset in which one training and one test picture are narrower than the others."""
    root = tmp_path / "mixed"
    draw_dataset(root)
    for name in ("cell 3", "cell 9"):
        with Image.open(root / f"images/{name}.png") as image:
            narrow = image.crop((0, 0, 60, 48))
        narrow.save(root / f"images/{name}.png")
        for kind in ("masks", "scribbles"):
            label = read_label(root / f"{kind}/{name}.png")
            write_label(root / f"{kind}/{name}.png", label[:, :60].copy())
    return root


def test_a_training_batch_of_several_sizes_names_two_and_the_cure(mixed: Path) -> None:
    data = ScribbleDataModule(str(mixed), batch_size=8)
    with pytest.raises(DataError, match=r"60x48.* pixels; add a RandomCrop"):
        next(iter(data.train_dataloader()))
    resized = ScribbleDataModule(str(mixed), batch_size=8, resize=(32, 40))
    assert next(iter(resized.train_dataloader()))["image"].shape == (8, 3, 32, 40)


def test_evaluation_takes_any_size_one_at_a_time(mixed: Path) -> None:
    data = ScribbleDataModule(str(mixed), batch_size=8)
    sizes = [batch["size"] for batch in data.test_dataloader()]
    assert sizes == [[(48, 64)], [(48, 60)], [(48, 64)]]
    many = ScribbleDataModule(str(mixed), batch_size=8, eval_batch_size=3)
    with pytest.raises(DataError, match="'cell 8' is 64x48 and 'cell 9' 60x48 pixels; set"):
        next(iter(many.test_dataloader()))
    # pictures to predict come from anywhere: the same setting does not stop them
    assert len(list(many.predict_dataloader())) == 3

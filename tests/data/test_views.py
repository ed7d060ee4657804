from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from scribbleseg.data import ScribbleDataModule
from scribbleseg.data.sample import Region
from scribbleseg.data.transforms import RandomCrop, RandomScale
from scribbleseg.data.views import RandomColors, Views


def sample(channels: int = 3) -> dict[str, Any]:
    """A picture whose grey level says the class."""
    y, x = np.mgrid[:60, :80]
    label = torch.from_numpy(((x // 8 + y // 8) % 4).astype(np.uint8))
    return {
        "image": tv_tensors.Image((60 + 40 * label)[None].repeat(channels, 1, 1)),
        "scribble": tv_tensors.Mask(label),
        "valid": Region(torch.ones(60, 80, dtype=torch.bool)),
        "name": "a",
    }


JOINT = [v2.RandomHorizontalFlip(), RandomCrop((32, 40))]


@pytest.mark.parametrize("seed", range(4))
def test_both_colourings_show_the_same_pixels_as_the_label(seed: int) -> None:
    torch.manual_seed(seed)
    seen = Views(joint=[*JOINT], recolored=[v2.RandomInvert(1.0)])(sample())
    label = seen["scribble"].as_subclass(Tensor)
    assert torch.equal(seen["image"].as_subclass(Tensor)[0], 60 + 40 * label)
    assert torch.equal(seen["recolored"].as_subclass(Tensor)[0], 255 - (60 + 40 * label))


def test_the_other_view_is_of_the_untouched_picture() -> None:
    before = sample()
    seen = Views(joint=[RandomCrop((8, 8))], image=[v2.RandomInvert(1.0)])(before)
    assert torch.equal(seen["other_view"], before["image"])
    assert seen["image"].shape == (3, 8, 8)
    assert set(before) == {"image", "scribble", "valid", "name"}
    turned = Views(other=[v2.RandomHorizontalFlip(1.0)])(before)
    assert torch.equal(turned["other_view"], before["image"].flip(-1))
    assert torch.equal(turned["image"], before["image"])


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_move_no_pixel_and_keep_the_type(channels: int) -> None:
    torch.manual_seed(0)
    colors = RandomColors(jitter_p=1.0, solarize_p=1.0, blur_p=0.0)
    before = sample(channels)["image"]
    after = colors(before)
    assert after.shape == before.shape
    assert after.dtype == torch.uint8
    assert isinstance(after, tv_tensors.Image)
    assert not torch.equal(after, before)
    # Every grey level becomes one colour.
    for level in before.unique():
        assert len(after[:, before[0] == level].unique(dim=1)[0]) == 1


def test_no_probability_no_change() -> None:
    colors = RandomColors(jitter_p=0.0, grey_p=0.0, blur_p=0.0)
    assert torch.equal(colors(sample()["image"]), sample()["image"])


def test_a_run_gets_views_of_one_size_that_are_normalised(drawn: Path) -> None:
    views = Views(
        joint=[RandomScale(0.8, 1.2), RandomCrop((32, 40))],
        recolored=[RandomColors()],
        other=[v2.RandomResizedCrop((24, 24))],
    )
    data = ScribbleDataModule(str(drawn), transforms=[views], batch_size=2)
    assert "views" in data.train_supervision
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert {key: tuple(batch[key].shape) for key in ("image", "recolored", "other_view")} == {
        "image": (2, 3, 32, 40),
        "recolored": (2, 3, 32, 40),
        "other_view": (2, 3, 24, 24),
    }
    assert batch["other_view"].dtype == torch.float32
    assert "views" not in ScribbleDataModule(str(drawn)).train_supervision

import numpy as np
import torch
from tests.golden_cases import Case, golden

from scribbleseg.inference.labels import par_half_size
from scribbleseg.inference.par import par


@golden("cdsp", "toco_par")
def test_matches_toco(case: Case) -> None:
    image, maps = torch.from_numpy(case["image"]), torch.from_numpy(case["mask"])
    before = maps.clone()
    refined = par(image, maps, dilations=case["dilations"].tolist(), iterations=case["num_iter"])
    # The published constants are float32.
    np.testing.assert_allclose(refined.numpy(), case["output"], atol=5e-8)
    assert torch.equal(maps, before)


def test_a_constant_map_stays_constant() -> None:
    refined = par(torch.rand(1, 3, 9, 7), torch.ones(1, 2, 9, 7), iterations=1)
    torch.testing.assert_close(refined, torch.full_like(refined, 1.01))


def test_maps_move_to_the_edge() -> None:
    """A blurred map of a bright square becomes the square."""
    image = torch.zeros(1, 64, 64)
    image[:, 20:44, 20:44] = 200
    image += 10 * torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    truth = image[0] > 100
    rows = torch.arange(64.0)
    inside = torch.sigmoid(8 - (rows - 29).abs() / 1.5)  # wider than the square, and shifted
    square = inside[:, None] * inside
    prob = torch.stack([1 - square, square])
    before = ((prob[1] > 0.5) != truth).sum()
    refined = par_half_size(image.byte(), prob)
    torch.testing.assert_close(refined.sum(dim=0), torch.ones(64, 64))
    assert ((refined[1] > 0.5) != truth).sum() < 0.35 * before

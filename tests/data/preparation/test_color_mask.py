from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from scribbleseg.data.preparation.color_mask import read_color_mask
from scribbleseg.errors import DataError

color = st.tuples(*[st.integers(0, 255)] * 3)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(table=st.dictionaries(color, st.integers(0, 255), min_size=1, max_size=40))
def test_every_pixel_has_the_label_of_its_color(
    table: dict[tuple[int, int, int], int], tmp_path: Path
) -> None:
    colors = list(table)
    chosen = np.arange(60).reshape(6, 10) % len(colors)
    Image.fromarray(np.array(colors, np.uint8)[chosen]).save(tmp_path / "a.png")
    labels = read_color_mask(tmp_path / "a.png", table)
    assert labels.tolist() == [[table[colors[one]] for one in row] for row in chosen]


def test_other_colors_are_named(tmp_path: Path) -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    image[1, 2:4] = 1, 2, 3
    Image.fromarray(image).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: colour \(1, 2, 3\) on 2 pixels is no class"):
        read_color_mask(tmp_path / "a.png", {(0, 0, 0): 0, (255, 255, 255): 1})

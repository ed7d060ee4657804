from typing import Any

import pytest

from scribbleseg.errors import ConfigError
from scribbleseg.exchange import ModelDescription, NetworkSpec, Picture


def test_channels_follow_the_picture_mode() -> None:
    assert Picture().in_channels == 3
    assert Picture("L", (0.0,), (1.0,)).in_channels == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_mode": "L"}, r"mean, std: 1 value\(s\) each for L, got \[0.485"),
        ({"std": (1.0, 1.0, 0.0)}, r"std: \[1.0, 1.0, 0.0\] must be positive"),
        ({"resize": (0, 8)}, r"resize: \[0, 8\] must be positive"),
    ],
)
def test_impossible_pictures(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Picture(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_names": ()}, "class_names: 0 names"),
        ({"class_names": ("a", "a")}, "2 names, 1 different"),
        ({"palette": ((0, 0, 0),)}, "palette: 1 colours for 2 classes"),
        ({"palette": ((0, 0, 0), (0, 0, 256))}, r"palette: a value is not in 0\.\.255"),
    ],
)
def test_impossible_models(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelDescription(NetworkSpec("PlainUNet"), **{"class_names": ("a", "b"), **options})

import json
from dataclasses import asdict
from typing import Any

import pytest

from scribbleseg.annotation.simulation_settings import Simulation
from scribbleseg.errors import ConfigError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"style": "zigzag"}, "style: 'zigzag' is none of longest, random"),
        ({"background": "all"}, "background: 'all' is none of skeleton, contour, none"),
        ({"per": "image"}, "per: 'image' is none of instance, class"),
        ({"width": 0}, r"width: 0 .* 1\.\.255"),
        ({"width": 2.5}, r"width: 2\.5"),
        ({"length": 1.5}, r"length: 1\.5 is no share"),
        ({"drop": -0.1}, r"drop: -0\.1 is no share"),
        ({"jitter": -1}, "jitter: -1 pixels; expected 0 or more"),
        ({"smooth": float("nan")}, "smooth: nan"),
        ({"noise": float("inf")}, "noise: inf"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Simulation(**change)


def test_settings_go_into_a_manifest() -> None:
    simulation = Simulation("mixed", jitter=2.5, per="class")
    assert Simulation(**json.loads(json.dumps(asdict(simulation)))) == simulation

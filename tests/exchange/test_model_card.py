from dataclasses import replace

import yaml

from scribbleseg.exchange import ModelDescription, Origin, Picture, SplitScores
from scribbleseg.exchange.model_card import card_text


def test_front_matter(small: ModelDescription) -> None:
    _, front, text = card_text(small, name="user/model", license="mit").split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "scribbleseg",
        "license": "mit",
        "pipeline_tag": "image-segmentation",
        "tags": ["semantic-segmentation", "scribble", "weakly-supervised", "PlainUNet"],
    }
    assert 'scribbleseg.load("user/model")' in text


def test_names_stay_in_their_cells(small: ModelDescription) -> None:
    text = card_text(small, name="m")
    assert "| 2 | Zelle \\| &lt;b> | 0, 128, 0 |" in text
    assert "Not known." in text
    assert "None known." in text
    assert "No licence was chosen" in text


def test_what_is_known_is_told(small: ModelDescription) -> None:
    origin = Origin(
        method="PartialCrossEntropy",
        steps=30,
        dataset="cells",
        images=8,
        supervision=("scribble",),
        scores={"test": SplitScores(3, 0.5, None, (None, 0.5, 0.5))},
    )
    model = replace(small, origin=origin, picture=Picture("L", (0.0,), (1.0,), (32, 48)))
    text = card_text(model, name="m", license="mit")
    assert "method PartialCrossEntropy; dataset cells; 8 training images; supervised by " in text
    assert "| test | 3 | 0.500 | undefined |" in text
    assert "resized to 32 x 48 pixels" in text
    assert "No licence" not in text
    assert "converted from: them." in card_text(
        replace(small, origin=Origin(source="them")), name=""
    )

"""``README.md`` of a model folder: what a stranger has to know before using the model."""

import json

import yaml

from scribbleseg.exchange.description import ModelDescription, Origin, SplitScores

__all__ = ["card_text"]


def card_text(model: ModelDescription, *, name: str, license: str = "other") -> str:
    """The model card, with the front matter that a hub reads.

    Args:
        model: The description.
        name: What `scribbleseg.load` is given: a folder or ``user/model``.
        license: Identifier of the weights' licence; ``other`` where nobody has chosen one.
    """
    tags = ["semantic-segmentation", "scribble", "weakly-supervised", model.network.name]
    front = {
        "library_name": "scribbleseg",
        "license": license,
        "pipeline_tag": "image-segmentation",
        "tags": tags,
    }
    sections = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---",
        f"# {name}",
        f"A {model.network.name} that says for every pixel of a picture which of "
        f"{model.num_classes} classes it shows.",
        f"```python\nimport scribbleseg\n\npredictor = scribbleseg.load({json.dumps(name)})\n"
        'label = predictor("picture.jpg")  # (H, W) array of class indices\n```',
        f"## Training\n\n{_origin(model.origin)}",
        f"## Classes\n\n{_classes(model)}",
        f"## Scores\n\n{_scores(model.origin.scores)}",
        f"## Limits\n\n{_limits(model, license)}",
    ]
    return "\n\n".join(sections) + "\n"


def _origin(origin: Origin) -> str:
    if origin.source is not None:
        return f"Weights converted from: {_cell(origin.source)}."
    facts = [
        f"method {origin.method}" if origin.method else "",
        f"dataset {_cell(origin.dataset)}" if origin.dataset else "",
        f"{origin.images} training images" if origin.images is not None else "",
        f"supervised by {', '.join(origin.supervision)}" if origin.supervision else "",
        f"{origin.steps} steps" if origin.steps is not None else "",
    ]
    known = [fact for fact in facts if fact]
    return f"{'; '.join(known)}." if known else "Not known."


def _classes(model: ModelDescription) -> str:
    rows = [
        f"| {index} | {_cell(name)} | {red}, {green}, {blue} |"
        for index, (name, (red, green, blue)) in enumerate(
            zip(model.class_names, model.palette, strict=True)
        )
    ]
    return "\n".join(["| label | class | colour |", "| --- | --- | --- |", *rows])


def _scores(scores: object) -> str:
    lines = [
        f"| {_cell(split)} | {score.images} | {_number(score.miou)} | "
        f"{_number(score.pixel_accuracy)} |"
        for split, score in (scores.items() if isinstance(scores, dict) else ())
        if isinstance(score, SplitScores)
    ]
    if not lines:
        return "None known."
    return "\n".join(
        ["| list | images | mean IoU | pixel accuracy |", "| --- | --- | --- | --- |", *lines]
    )


def _limits(model: ModelDescription, license: str) -> str:
    size = model.picture.resize
    points = [
        "Every pixel gets one of the classes above, also where the picture shows none of them.",
        "Nothing is known about pictures unlike those of the training set.",
        f"Pictures are read as {'grey' if model.picture.image_mode == 'L' else 'RGB'}, 8 bit"
        + (f", and resized to {size[0]} x {size[1]} pixels first" if size else "")
        + ".",
    ]
    if license == "other":
        points.append(
            "No licence was chosen for these weights: ask their author before using them."
        )
    return "\n".join(f"- {point}" for point in points)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _cell(text: str) -> str:
    """A text that cannot leave its table cell, whatever it is."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")

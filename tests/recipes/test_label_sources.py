from pathlib import Path
from typing import Any

import pytest
import yaml

from scribbleseg.data.layouts import layout_names
from scribbleseg.errors import ConfigError
from scribbleseg.recipes.label_sources import read_label_sources
from scribbleseg.recipes.recipe import read_recipe

CONFIGS = Path(__file__).parents[2] / "configs"

GOOD: dict[str, Any] = {
    "layout": "folder",
    "root": "cells",
    "split": "train",
    "variants": ["r1", 2],
    "labels": {"one": "labels/one", "the other": "labels/other_{variant}"},
    "runs": "runs/{source}_{variant}",
    "config": "a.yaml",
    "scribbles": "scribbles_{variant}",
}


def write(folder: Path, content: Any) -> Path:
    path = folder / "sources.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def without(*keys: str, **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD, **changes}.items() if key not in keys}


def test_placeholders_are_filled_in(tmp_path: Path) -> None:
    sources = read_label_sources(write(tmp_path, GOOD))
    assert (sources.variants, sources.config) == (("r1", "2"), "a.yaml")
    assert [(item.source, item.variant, item.labels, str(item.run)) for item in sources.items] == [
        ("one", "r1", "labels/one", "runs/one_r1"),
        ("one", "2", "labels/one", "runs/one_2"),
        ("the other", "r1", "labels/other_r1", "runs/the_other_r1"),
        ("the other", "2", "labels/other_2", "runs/the_other_2"),
    ]
    assert " ".join(sources.items[3].training) == (
        "fit --config a.yaml --data.root cells --data.scribbles scribbles_2 "
        "--data.pseudo_labels labels/other_2 --run runs/the_other_2"
    )


def test_what_is_optional_may_be_left_out(tmp_path: Path) -> None:
    few = read_label_sources(write(tmp_path, without("runs", "config", "scribbles")), root="mine")
    assert (few.root, few.config) == ("mine", None)
    assert all((item.run, item.training) == (None, ()) for item in few.items)
    # how a run is made takes both keys
    some = read_label_sources(write(tmp_path, without("scribbles")))
    assert all(item.run is not None and item.training == () for item in some.items)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "expected 'name: value' lines"),
        (without(lables={}), r"'lables' is unknown; did you mean 'labels'\? known: layout, root,"),
        (without("split"), "'split' is missing; needed: layout, root, split, variants, labels"),
        (without(root=3), "'root' is 3; expected a text"),
        (without(runs=None), "'runs' is None; expected a text"),
        (without(variants="r1"), "'variants' is 'r1'; list their names"),
        (without(variants=[]), r"'variants' is \[\]; list their names"),
        (without(variants=[True]), r"'variants' is \[True\]; list their names"),
        (without(variants=[1, "1"]), "'variants' names one twice: 1, 1"),
        (without(labels={}), "'labels' is empty"),
        (without(labels=["a"]), r"labels is \['a'\]; expected 'name: value' lines"),
        (without(labels={"a": ["b"]}), r"'labels.a' is \['b'\]; expected a text"),
        (
            without(labels={"a": "x_{varian}"}),
            r"'labels.a' is 'x_\{varian\}', but \{varian\} means nothing there; allowed: "
            r"\{variant\}",
        ),
        (
            without(runs="x/{source}/{seed}"),
            r"'runs' .* \{seed\} means nothing there; allowed: \{source\}, \{variant\}",
        ),
        (without(scribbles="{source}"), r"'scribbles' .* allowed: \{variant\}"),
        (without(config="{source}.yaml"), r"'config' .* allowed: none"),
        (without(runs="runs/{source}"), "'runs' is 'runs/{source}', the same folder for several"),
        (
            without(labels={"a b": "x", "a_b": "y"}),
            r"same folder for several runs; tell them apart with \{source\} and \{variant\}",
        ),
        (without("runs"), "'config' says how runs are made; name them in 'runs'"),
    ],
)
def test_mistakes(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_label_sources(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "path", sorted((CONFIGS / "label_sources").glob("*.yaml")), ids=lambda p: p.stem
)
def test_the_librarys_own(path: Path) -> None:
    sources = read_label_sources(path)
    assert sources.layout in layout_names()
    assert len(sources.variants) == 3
    assert sources.config is None or (CONFIGS / sources.config).is_file()


@pytest.mark.parametrize(
    ("name", "labels", "scribbles"),
    [
        ("coco", ["toco", *(f"toco_r{k}" for k in (1, 2, 3)), "cutmix", "has", "recam"],
         "coco2014_train_scribble_r"),
        ("cityscapes", ["ToCo", *(f"ToCoR{k}" for k in (1, 2, 3)), "CutMix", "HaS", "ReCAM"],
         "cityscapes_scribble_r"),
    ],
)  # fmt: skip
def test_the_published_folders(name: str, labels: list[str], scribbles: str) -> None:
    items = read_label_sources(CONFIGS / f"label_sources/scribble_{name}.yaml").items
    assert [item.source for item in items[::3]] == [
        "ToCo",
        "scribble-promoted ToCo",
        "CutMix",
        "HaS",
        "ReCAM",
        "our recipe",
    ]
    assert list(dict.fromkeys(item.labels for item in items[:-3])) == [
        f"pseudolabels/{folder}" for folder in labels
    ]
    words = items[5].training
    assert words[words.index("--config") + 1] == f"{name}/cspnet.yaml"
    assert words[words.index("--data.scribbles") + 1] == f"{scribbles}3"
    assert words[words.index("--run") + 1] == f"runs/{name}/cspnet/scribble-promoted_ToCo_r3"
    # our recipe writes its labels where they are looked for, from the same scribbles
    for number, item in enumerate(items[-3:], start=1):
        path = CONFIGS / f"recipes/cspnet_{name}.yaml"
        recipe = read_recipe(path, values={"variant": f"r{number}"})
        assert str(recipe.stage_folder("labels")) == item.labels
        for stage in (recipe.stages[0], recipe.stages[2]):
            assert stage.options["data.scribbles"] == f"{scribbles}{number}"
    # the config learns from the first variant, by the same names
    config = yaml.safe_load((CONFIGS / name / "cspnet.yaml").read_text())
    assert config["data"]["pseudo_labels"] == items[3].labels

from pathlib import Path
from typing import Any

import pytest
import yaml

from scribbleseg.errors import ConfigError
from scribbleseg.recipes.recipe import Stage, read_recipe

CONFIGS = Path(__file__).parents[2] / "configs"

GOOD: dict[str, Any] = {
    "run": "runs/{root}/k{seed}",
    "variables": {"seed": 0, "root": "cells"},
    "stages": {
        "teacher": {
            "command": "fit",
            "options": {"config": "a.yaml", "seed_everything": "{seed}", "data.val": None},
        },
        "labels": {
            "command": "pseudolabel",
            "options": {"run": "{teacher}", "threshold": [0.5, 0.9], "scribbles": True},
        },
        "student": {
            "command": "fit",
            "options": {"config": "b.yaml", "data.pseudo_labels": "{labels}"},
        },
    },
}


def write(folder: Path, content: Any) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(
        content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    )
    return path


def test_stages_are_command_lines(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, GOOD), values={"seed": "3"})
    assert recipe.folder == Path("runs/cells/k3")
    lines = [stage.arguments(recipe.stage_folder(stage.name)) for stage in recipe.stages]
    assert [" ".join(line) for line in lines] == [
        "fit --config a.yaml --seed_everything 3 --data.val null --run runs/cells/k3/teacher",
        "pseudolabel --run runs/cells/k3/teacher --threshold [0.5, 0.9] --scribbles true "
        "--out runs/cells/k3/labels",
        "fit --config b.yaml --data.pseudo_labels runs/cells/k3/labels --run runs/cells/k3/student",
    ]
    assert [stage.needs for stage in recipe.stages] == [(), ("teacher",), ("labels",)]


def test_options_of_the_command_line_come_last(tmp_path: Path) -> None:
    options = {"student": {"config": "c.yaml", "trainer.max_steps": "7"}}
    recipe = read_recipe(write(tmp_path, GOOD), folder="here", options=options)
    assert recipe.stages[2].options == {
        "config": "c.yaml",
        "data.pseudo_labels": "here/labels",
        "trainer.max_steps": "7",
    }


@pytest.mark.parametrize("path", sorted((CONFIGS / "recipes").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_librarys_own_recipes(path: Path) -> None:
    recipe = read_recipe(path)
    assert [stage.command for stage in recipe.stages] == ["fit", "pseudolabel", "fit"]
    for stage in recipe.stages:
        assert "config" not in stage.options or (CONFIGS / stage.options["config"]).is_file()


def test_the_splits_of_lpl_differ_in_the_number_of_masks_alone() -> None:
    texts = {}
    for count in (92, 183, 366, 732, 1464):
        text = (CONFIGS / f"recipes/lpl_voc_{count}.yaml").read_text()
        assert f"masks: {count}" in text
        recipe = read_recipe(CONFIGS / f"recipes/lpl_voc_{count}.yaml")
        assert str(recipe.folder) == f"runs/voc/lpl_recipe_{count}/seed1"
        assert [s.options.get("data.labelled_first") for s in recipe.stages] == [
            str(count), None, str(count)
        ]  # fmt: skip
        texts[count] = text.replace(str(count), "N")
    assert len(set(texts.values())) == 1


def test_switches_have_no_value() -> None:
    stage = Stage("a", "predict", {"skip_unreadable": True}, ())
    assert stage.arguments(Path("b")) == ["predict", "--skip_unreadable", "--out", "b"]


def change(where: tuple[str, ...], value: Any) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(yaml.safe_dump(GOOD, sort_keys=False))
    place = content
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "not valid YAML"),
        ("- a\n", "expected 'name: value' lines"),
        (change(("stage",), {}), "'stage' is unknown; did you mean 'stages'?"),
        (change(("stages",), {}), "'stages' is empty"),
        (change(("run",), None), "'run' is None"),
        (change(("stages", "labels", "command"), "lable"), "stages.labels.command is 'lable'"),
        (
            change(("stages", "labels", "option"), {}),
            "'stages.labels.option' is unknown; did you mean 'stages.labels.options'?",
        ),
        (change(("stages", "teacher", "options", "run"), "x"), "options.run is set by the recipe"),
        (
            change(("stages", "teacher", "options", "x"), "{labels}"),
            r"{labels} is neither a variable nor an earlier stage \(seed, root\)",
        ),
        (change(("variables", "labels"), 1), "'labels' is the name of a variable and of a stage"),
        (change(("stages", "labels"), None), "stages.labels is None"),
        (change(("stages", "../../home"), GOOD["stages"]["teacher"]), "called '../../home'"),
        (change(("stages", "lock"), GOOD["stages"]["teacher"]), "'lock' is taken"),
    ],
)
def test_mistakes(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_recipe(path)
    assert str(path) in str(caught.value)


def test_unknown_variables_and_stages(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    with pytest.raises(ConfigError, match="no variable 'sed'; variables: seed, root"):
        read_recipe(path, values={"sed": "1"})
    with pytest.raises(ConfigError, match=r"labels.options.out is set by the recipe"):
        read_recipe(path, options={"labels": {"out": "x"}})
    with pytest.raises(ConfigError, match="no stage 'studnt'; stages: teacher, labels, student"):
        read_recipe(path, options={"studnt": {"a": "1"}})

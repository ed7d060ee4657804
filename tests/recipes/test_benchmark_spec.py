from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.recipes.benchmark_example import RECIPE, SPEC, benchmark, write_spec

from scribbleseg.cli.configs import find_config
from scribbleseg.cli.train import TrainingCLI
from scribbleseg.errors import ConfigError
from scribbleseg.recipes.benchmark_cells import cells_of
from scribbleseg.recipes.benchmark_spec import read_benchmark

ROOT = Path(__file__).parents[2]
SPECS = sorted((ROOT / "configs/benchmarks").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def method(**fields: Any) -> dict[str, Any]:
    return {"methods": {"plain": {"config": "plain.yaml", **fields}}}


def test_what_a_method_does_not_say_is_that_of_all() -> None:
    plain, full, staged = benchmark().methods
    assert (plain.seeds, staged.seeds) == ((0, 1), (0,))
    assert (plain.title, full.title) == ("plain one", "d/full")
    assert full.every_fit == {"data.num_workers": 0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": {}}, "'method' is unknown; did you mean 'methods'"),
        ({"methods": {}}, "'methods' is empty"),
        ({"seeds": [0, 0]}, r"'seeds' is \[0, 0\]; list different numbers"),
        ({"seeds": "all"}, "'seeds' is 'all'"),
        ({"baseline": "nobody"}, "'baseline' is 'nobody', which is no method; methods: plain, d/"),
        ({"runs": 3}, "'runs' is 3; expected a text"),
        ({"csv": " "}, "'csv' is ' '; expected a text"),
        (method(recipe="recipe.yaml"), "methods.plain: give either 'config' or 'recipe'"),
        (method(scribles={}), "'methods.plain.scribles' is unknown; did you mean 'methods."),
        (method(scribbles={"shrink": 2}), "methods.plain.scribbles.shrink is 2; expected 0 to 1"),
        (method(scribbles={"keep": 1}), "'methods.plain.scribbles.keep' is unknown"),
        (method(variables={"root": "x"}), "methods.plain.variables: are those of a 'recipe'"),
        (method(seeds=[True]), "'methods.plain.seeds' is"),
        ({"methods": {"../up": {"config": "plain.yaml"}}}, "a method is called '../up'"),
        ({"methods": {"a": {"recipe": "recipe.yaml", "scribbles": {"drop": 0.5}}}}, "only"),
        ({"methods": {"a": {"recipe": "recipe.yaml", "variables": {"seed": 1}}}}, "variables.seed"),
        ({"csv": "table.md"}, "'csv' is 'table.md'; expected a name that ends in .csv"),
        ({"options": {"seed_everything": 7}}, "options.seed_everything: comes from 'seeds'"),
        (method(options={"a.seed_everything": 7}), r"methods.plain.options.a.seed_everything: com"),
        ({"methods": {"a": {"config": "plain.yaml"}, "a/seed0": {"config": "plain.yaml"}}},
         "method 'a/seed0' would be kept in the folder of 'a'"),
        ({"methods": {"submitit": {"config": "plain.yaml"}}}, "in the folder of 'submitit'"),
        ({"options": {"trainer": {"max_steps": 2}}}, "whole name, 'trainer.max_steps: VALUE'"),
        ({"options": {"run": "x"}}, "options.run: is the benchmark's to say; take it out"),
        (method(options={"config": "full.yaml"}), "plain.options.config: is the benchmark's to"),
        (
            method(options={"second.data": {"test": None}}),
            "methods.plain.options.second.data: write .* 'second.data.test: VALUE'",
        ),
    ],
)  # fmt: skip
def test_mistakes_say_where_and_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    path = write_spec(**{"baseline": None, "reference": None, **changes} if changes.get("methods")
                      else changes)  # fmt: skip
    text = path.read_text().replace("baseline: null\n", "").replace("reference: null\n", "")
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_benchmark(path)


def test_titles_are_one_line() -> None:
    found = benchmark(title="a\nb\n", reference="plain", **method(title="c\nd\n"))
    assert (found.title, found.methods[0].title) == ("a b", "c d")


def test_a_name_that_stands_twice_is_refused() -> None:
    path = write_spec()
    text = path.read_text()
    path.write_text(f"{text}  plain: {{config: full.yaml}}\n")
    line = text.count("\n") + 1
    with pytest.raises(ConfigError, match=rf"two.yaml: not valid YAML \(line {line}: 'plain' sta"):
        read_benchmark(path)
    path.write_text(text.replace("options:", "options: &all", 1) + "  c: {config: full.yaml, "
                    "options: {<<: *all, data.num_workers: 2}}\n")  # fmt: skip
    assert read_benchmark(path).methods[-1].options == {"data.num_workers": 2}


def test_what_is_missing_is_named() -> None:
    path = write_spec()
    path.write_text(path.read_text().replace("csv: kept/two.csv\n", ""))
    with pytest.raises(ConfigError, match="'csv' is missing; needed: runs, csv, seeds, methods"):
        read_benchmark(path)


def test_a_recipe_gets_seed_and_options() -> None:
    staged = cells_of(Path("runs"), benchmark().only(["staged"]), Path)[0]
    assert staged.run == Path("runs/staged/seed0/second")
    first, labels, second = staged.recipe.stages
    assert first.options == {
        "config": "plain.yaml", "seed_everything": "0", "data.num_workers": 0
    }  # fmt: skip
    assert labels.options == {"run": "runs/staged/seed0/first"}
    assert second.options["trainer.max_steps"] == 6
    assert staged.steps(Path) == 4 + 6


def test_a_stage_that_is_not_there_is_named() -> None:
    entry = {"recipe": "recipe.yaml", "options": {"third.trainer.max_steps": 6}}
    methods = {**SPEC["methods"], "staged": entry}
    with pytest.raises(ConfigError, match="has no stage 'third'; stages: first, labels, second"):
        cells_of(Path("runs"), benchmark(methods=methods).methods, Path)
    assert "third" not in RECIPE["stages"]


class ParserOnly(TrainingCLI):
    """Parses a command line, and builds nothing."""

    def instantiate_classes(self) -> None:
        """Nothing."""


def words_of(spec: Path) -> list[Sequence[str]]:
    """Command lines of a benchmark's trainings, one for each set of options; parsing takes time."""
    found = read_benchmark(spec)
    lines = {}
    for cell in cells_of(found.runs, found.methods, find_config):
        for stage in cell.trainings:
            find_config(stage.options["config"])
            lines.setdefault(tuple(sorted(stage.options)), stage.arguments(Path("run"))[1:])
    return list(lines.values())


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_the_librarys_benchmarks_name_configs_and_options_that_exist(spec: Path) -> None:
    lines = words_of(spec)
    assert lines
    for words in lines:
        if len(words) > 8:  # the configs themselves have their own tests
            given = ["--config", str(find_config(words[1])), *words[2:]]
            assert ParserOnly("fit", given).config.run == "run"


def test_the_librarys_benchmarks_are_those_of_the_plan() -> None:
    assert {path.stem for path in SPECS} >= {
        "acdc_small", "acdc_adamw", "acdc_long", "acdc_full", "camvid_small", "camvid_full",
        "shapes", "label_cost", "voc", "context", "coco", "cityscapes",
    }  # fmt: skip

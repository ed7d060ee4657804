import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console
from tests.recipes.test_recipe import GOOD, write

from scribbleseg.errors import Interrupted, RunError
from scribbleseg.recipes.recipe import read_recipe
from scribbleseg.recipes.stages import Plan, run_recipe

Runner = Callable[[Sequence[str]], int]


class Commands:
    """Stands for the commands: notes what is run, and leaves what each leaves."""

    def __init__(self, *, stops: str = "", code: int = 0) -> None:
        self.lines: list[str] = []
        self.stops, self.code = stops, code

    def __call__(self, arguments: Sequence[str]) -> int:
        self.lines.append(" ".join(arguments))
        folder = Path(arguments[arguments.index("--run" if arguments[0] == "fit" else "--out") + 1])
        folder.mkdir(parents=True, exist_ok=True)
        started, result = (
            ("config.yaml", "checkpoints/last.ckpt")
            if arguments[0] == "fit"
            else ("manifest.json", "manifest.json")
        )
        (folder / started).write_text("begun")
        if folder.name == self.stops:
            return self.code
        (folder / result).parent.mkdir(exist_ok=True)
        (folder / result).write_text(self.lines[-1].replace(" --resume", ""))
        return 0


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(name)
    return tmp_path


def plan(folder: Path, **options: dict[str, str]) -> Plan:
    recipe = read_recipe(write(folder, GOOD), folder=str(folder / "out"), options=options)
    return Plan(recipe, lambda name: folder / name)


def states(plan: Plan) -> list[str]:
    return [plan.state(stage) for stage in plan.recipe.stages]


def test_finished_stages_are_skipped(configs: Path) -> None:
    said: list[str] = []
    first, again = Commands(), Commands()
    assert states(plan(configs)) == ["to do"] * 3
    run_recipe(plan(configs), first, said.append)
    assert [line.split()[0] for line in first.lines] == ["fit", "pseudolabel", "fit"]
    assert states(plan(configs)) == ["finished"] * 3
    run_recipe(plan(configs), again, said.append)
    assert again.lines == []
    assert said[-1].startswith("stage 3 of 3, student: finished")
    record = json.loads((configs / "out/labels/stage.json").read_text())
    assert record["inputs"]["result of teacher"]
    assert record["arguments"][0] == "pseudolabel"


def test_a_comment_in_a_config_changes_nothing_and_a_value_does(configs: Path) -> None:
    run_recipe(plan(configs), Commands(), print)
    (configs / "a.yaml").write_text("a  # as before\n")
    assert states(plan(configs)) == ["finished"] * 3
    (configs / "a.yaml").write_text("other")
    assert "changed" in states(plan(configs))


@pytest.mark.parametrize("stage", ["teacher", "labels", "student"])
def test_a_killed_stage_goes_on(configs: Path, stage: str) -> None:
    with pytest.raises(RunError, match=f"stage '{stage}' failed with exit code 137 .killed, as"):
        run_recipe(plan(configs), Commands(stops=stage, code=137), print)
    before = states(plan(configs))
    assert before.count("unfinished") == 1
    rest = Commands()
    run_recipe(plan(configs), rest, print)
    assert len(rest.lines) == 3 - before.count("finished")
    assert rest.lines[0].endswith("--resume")
    assert states(plan(configs)) == ["finished"] * 3


def test_a_failed_stage_leaves_the_results_of_the_others(configs: Path) -> None:
    with pytest.raises(RunError, match=r"Finished stages are kept \(teacher, labels\); mend it"):
        run_recipe(plan(configs), Commands(stops="student", code=2), print)
    assert states(plan(configs))[:2] == ["finished", "finished"]


@pytest.mark.parametrize("code", [130, 143])
def test_a_stopped_stage_says_so(configs: Path, code: int) -> None:
    with pytest.raises(Interrupted, match="stage 'labels' was stopped") as caught:
        run_recipe(plan(configs), Commands(stops="labels", code=code), print)
    assert caught.value.exit_code == code


def test_a_stage_without_a_result_is_not_finished(configs: Path) -> None:
    with pytest.raises(RunError, match=r"last\.ckpt: stage 'teacher' ended without this result"):
        run_recipe(plan(configs), Commands(stops="teacher", code=0), print)


def test_changed_inputs_are_named_and_nothing_is_lost(configs: Path) -> None:
    run_recipe(plan(configs), Commands(), print)
    other = plan(configs, labels={"threshold": "0.7"})
    assert states(other) == ["finished", "changed", "finished"]
    with pytest.raises(
        RunError, match=r"--threshold: \[0.5, 0.9\] -> 0.7; redo it .* --from labels"
    ):
        run_recipe(other, Commands(), print)
    (configs / "a.yaml").write_text("another")
    assert states(plan(configs))[0] == "changed"
    assert (configs / "out/teacher/checkpoints/last.ckpt").is_file()


def test_inputs_are_those_a_stage_began_with(configs: Path) -> None:
    """Whoever edits a config while hours of training go on does not change what was trained."""

    class Edits(Commands):
        def __call__(self, arguments: Sequence[str]) -> int:
            (configs / "a.yaml").write_text("edited meanwhile")
            return super().__call__(arguments)

    with pytest.raises(RunError):
        run_recipe(plan(configs), Edits(stops="labels", code=2), print)
    assert states(plan(configs))[0] == "changed"


def test_a_result_that_is_gone_is_made_again(configs: Path) -> None:
    run_recipe(plan(configs), Commands(), print)
    (configs / "out/student/checkpoints/last.ckpt").unlink()
    assert states(plan(configs)) == ["finished", "finished", "unfinished"]


def test_words_and_values_are_the_same(configs: Path) -> None:
    run_recipe(plan(configs), Commands(), print)
    same = plan(configs, labels={"threshold": "[0.5,0.9]", "scribbles": "true"})
    assert states(same) == ["finished"] * 3


def test_a_folder_of_a_short_name_hides_no_option(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(configs)
    write(configs, GOOD)

    def here(**options: dict[str, str]) -> Plan:
        recipe = read_recipe(configs / "recipe.yaml", folder=".", options=options)
        return Plan(recipe, lambda name: configs / name)

    run_recipe(here(), Commands(), print)
    assert states(here()) == ["finished"] * 3
    assert states(here(labels={"threshold": "0.5"}))[1] == "changed"


def test_a_config_that_is_not_there_is_said_first(configs: Path) -> None:
    (configs / "b.yaml").unlink()
    commands = Commands()
    with pytest.raises(FileNotFoundError):
        run_recipe(plan(configs), commands, print)
    assert commands.lines == []


def test_a_stage_that_still_works_is_not_deleted(configs: Path) -> None:
    run_recipe(plan(configs), Commands(), print)
    (configs / "out/student/lock").write_text('{"pid": 1, "host": "elsewhere"}')
    with pytest.raises(RunError, match="process 1 on elsewhere works in this folder"):
        plan(configs).begin_at("teacher")
    assert states(plan(configs)) == ["finished"] * 3


def test_from_a_stage_on(configs: Path) -> None:
    run_recipe(plan(configs), Commands(), print)
    again, other = Commands(), plan(configs, labels={"threshold": "0.7"})
    other.begin_at("labels")
    assert states(other) == ["finished", "to do", "to do"]
    run_recipe(other, again, print)
    assert [line.split()[0] for line in again.lines] == ["pseudolabel", "fit"]
    with pytest.raises(RunError, match="--from: no stage 'x'; stages: teacher, labels, student"):
        other.begin_at("x")


def test_only_folders_of_stages_are_deleted(configs: Path) -> None:
    (configs / "out/student").mkdir(parents=True)
    (configs / "out/student/thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="is not the folder of a stage; nothing was deleted"):
        plan(configs).begin_at("teacher")
    assert (configs / "out/student/thesis.tex").is_file()


def test_later_stages_depend_on_the_result_not_on_the_way(configs: Path) -> None:
    """A stage made anew with the same result leaves later ones finished."""
    run_recipe(plan(configs), Commands(), print)
    (configs / "out/teacher/stage.json").unlink()
    run_recipe(plan(configs), Commands(), print)
    assert states(plan(configs)) == ["finished"] * 3


def test_the_plan(configs: Path) -> None:
    with pytest.raises(RunError):
        run_recipe(plan(configs), Commands(stops="labels", code=9), print)
    console = Console(file=io.StringIO(), width=70)
    plan(configs).print(console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert [word in text for word in ("finished", "unfinished", "to do")] == [True] * 3
    lines = [line for line in text.splitlines() if line.startswith("scribbleseg ")]
    assert len(lines) == 2
    assert lines[0].endswith("--resume")

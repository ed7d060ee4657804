"""Running a recipe: what is finished is skipped, what was killed goes on, what failed is named."""

import hashlib
import json
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from rich.console import Console
from rich.table import Table

from scribbleseg.annotation.file_hash import sha256_of
from scribbleseg.annotation.folder_lock import FolderLock
from scribbleseg.annotation.whole_file import whole_file
from scribbleseg.errors import Interrupted, RunError
from scribbleseg.recipes.json_file import read_json
from scribbleseg.recipes.recipe import Recipe, Stage

__all__ = ["STAGE_FILE", "Plan", "run_recipe"]

KILLED = 137
"""128 + SIGKILL, which a system that is short of memory sends."""

STAGE_FILE = "stage.json"
"""In a stage's folder once it is finished: what it was given and what came out."""

OUTPUTS = {
    "fit": "checkpoints/last.ckpt",
    "pseudolabel": "manifest.json",
    "predict": "manifest.json",
}
"""The file of a stage's folder that stands for its result."""

STARTED = {"fit": "config.yaml", "pseudolabel": "manifest.json", "predict": "manifest.json"}
"""The file that a stage which can be gone on with has written."""

State = Literal["finished", "changed", "unfinished", "to do"]
Runner = Callable[[Sequence[str]], int]
"""Runs a command of ours and returns its exit code."""


@dataclass(frozen=True)
class Plan:
    """What running a recipe would do.

    Args:
        recipe: The recipe.
        find_config: Says which file a config's name means.
    """

    recipe: Recipe
    find_config: Callable[[str], Path]

    def state(self, stage: Stage) -> State:
        """How far a stage is; ``changed``: it is finished, but was given something else."""
        record = self._record(stage)
        result = self.recipe.stage_folder(stage.name) / OUTPUTS[stage.command]
        if record is not None and result.is_file():
            return "finished" if record["inputs"] == self.inputs(stage) else "changed"
        started = self.recipe.stage_folder(stage.name) / STARTED[stage.command]
        return "unfinished" if started.is_file() else "to do"

    def arguments(self, stage: Stage) -> list[str]:
        """The command line of a stage as it would be run now."""
        extra = ["--resume"] if self.state(stage) == "unfinished" else []
        return stage.arguments(self.recipe.stage_folder(stage.name), *extra)

    def given(self, stage: Stage) -> dict[str, Any]:
        """What a stage is told: its options and its config's content."""
        given: dict[str, Any] = {
            f"--{name}": _value(value)
            for name, value in stage.options.items()
            # Paths are no inputs, what lies there is: folders may be moved.
            if name != "config" and name not in stage.places
        }
        given |= stage.facts
        if "config" in stage.options:
            content = self.find_config(str(stage.options["config"])).read_bytes()
            with suppress(yaml.YAMLError):  # the stage itself will say what is wrong with the file
                # What it says, not how: comments may change.
                said = yaml.safe_load(content)
                content = json.dumps(said, sort_keys=True, default=str).encode()
            given["config"] = hashlib.sha256(content).hexdigest()
        plain: dict[str, Any] = json.loads(json.dumps(given, default=str))
        return plain

    def inputs(self, stage: Stage) -> dict[str, Any]:
        """What a stage depends on: what it is told, and earlier results."""
        inputs = self.given(stage)
        for name in stage.needs:
            earlier = next(one for one in self.recipe.stages if one.name == name)
            record = self._record(earlier)
            inputs[f"result of {name}"] = record["result"] if record else None
        return inputs

    def changes(self, stage: Stage) -> list[str]:
        """What differs from what a finished stage was given."""
        record, now = self._record(stage), self.inputs(stage)
        before = record["inputs"] if record else {}
        return [
            f"{name}: {_short(before.get(name))} -> {_short(now.get(name))}"
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        ]

    def print(self, console: Console) -> None:
        """Print every stage, its state, and the command it is."""
        table = Table(title=str(self.recipe.folder))
        for column in ("stage", "state", "needs"):
            table.add_column(column)
        for stage in self.recipe.stages:
            table.add_row(stage.name, self.state(stage), ", ".join(stage.needs) or "-")
        console.print(table)
        for stage in self.recipe.stages:
            if self.state(stage) != "finished":
                line = shlex.join(["scribbleseg", *self.arguments(stage)])
                console.print(line, soft_wrap=True)

    def from_stage(self, name: str) -> tuple[Stage, ...]:
        """A stage and all after it.

        Raises:
            RunError: There is no such stage.
        """
        names = [stage.name for stage in self.recipe.stages]
        if name not in names:
            raise RunError(f"--from: no stage {name!r}; stages: {', '.join(names)}")
        return self.recipe.stages[names.index(name) :]

    def begin_at(self, name: str) -> None:
        """Delete the folders of a stage and of all after it, so that they are run anew.

        Raises:
            RunError: There is no such stage, or a folder is not that of a stage.
        """
        later = self.from_stage(name)
        for stage in later:
            folder = self.recipe.stage_folder(stage.name)
            ours = [folder / STAGE_FILE, folder / STARTED[stage.command]]
            FolderLock(folder).check()
            content = (
                [path for path in folder.iterdir() if path.name != "lock"]
                if folder.is_dir()
                else []
            )
            if content and not any(path.is_file() for path in ours):
                raise RunError(f"{folder}: is not the folder of a stage; nothing was deleted")
        for stage in later:
            folder = self.recipe.stage_folder(stage.name)
            (folder / STAGE_FILE).unlink(missing_ok=True)
            if folder.is_dir():
                shutil.rmtree(folder)

    def finish(self, stage: Stage, inputs: Mapping[str, Any], seconds: float) -> None:
        """Write down that a stage is finished, and what it was given when it began.

        Raises:
            RunError: Its result is not there.
        """
        folder = self.recipe.stage_folder(stage.name)
        result = folder / OUTPUTS[stage.command]
        if not result.is_file():
            raise RunError(f"{result}: stage {stage.name!r} ended without this result")
        record = {
            "stage": stage.name,
            "arguments": stage.arguments(folder),
            "inputs": inputs,
            "result": sha256_of(result),
            "seconds": round(seconds, 1),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with whole_file(folder / STAGE_FILE, durable=True) as unfinished:
            unfinished.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def _record(self, stage: Stage) -> dict[str, Any] | None:
        return read_json(self.recipe.stage_folder(stage.name) / STAGE_FILE) or None


def _value(value: Any) -> Any:
    """Of an option: words of the command line and values of a file are the same."""
    if isinstance(value, str):
        with suppress(yaml.YAMLError):  # a word like * is what it is
            return yaml.safe_load(value)
    return value


def run_recipe(plan: Plan, run: Runner, say: Callable[[str], None]) -> None:
    """Run the stages that are not finished, in order.

    Args:
        plan: The recipe.
        run: Runs one command and returns its exit code.
        say: Prints a line.

    Raises:
        RunError: A stage was finished with other inputs, or failed; all results are kept.
        Interrupted: A stage was asked to stop, and has saved.
    """
    stages = plan.recipe.stages
    for stage in stages:
        plan.inputs(stage)  # a config that is not there is said before hours of training
    for number, stage in enumerate(stages, start=1):
        folder = plan.recipe.stage_folder(stage.name)
        title = f"stage {number} of {len(stages)}, {stage.name}"
        state = plan.state(stage)
        if state == "finished":
            say(f"{title}: finished, in {folder}")
            continue
        if state == "changed":
            raise RunError(
                f"{folder}: stage {stage.name!r} was finished with other inputs: "
                f"{'; '.join(plan.changes(stage)[:3])}; redo it and what follows with --from "
                f"{stage.name}, or choose another --run"
            )
        arguments = plan.arguments(stage)
        say(f"{title}: {shlex.join(['scribbleseg', *arguments])}")
        inputs, started = plan.inputs(stage), time.monotonic()
        code = run(arguments)
        if code in {130, 143}:
            raise Interrupted(
                f"stage {stage.name!r} was stopped; the same command goes on with it", code - 128
            )
        if code:
            kept = ", ".join(s.name for s in stages if plan.state(s) == "finished") or "none"
            how = " (killed, as for lack of memory)" if code == KILLED else ""
            raise RunError(
                f"stage {stage.name!r} failed with exit code {code}{how}; what it said stands "
                f"above. Finished stages are kept ({kept}); mend it and give the same command "
                f"again, or, if its own options change, with --from {stage.name}"
            )
        plan.finish(stage, inputs, time.monotonic() - started)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."

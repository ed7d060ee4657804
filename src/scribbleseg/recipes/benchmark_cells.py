"""The cells of a benchmark: a method with a seed is a recipe, of one stage or of several."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scribbleseg.annotation.folder_lock import FolderLock
from scribbleseg.data.preparation.derived_images import Perturbation, Work, perturb_scribbles
from scribbleseg.errors import ConfigError, Interrupted, RunError, ScribblesegError
from scribbleseg.recipes.benchmark_spec import Method
from scribbleseg.recipes.json_file import read_json
from scribbleseg.recipes.recipe import Recipe, Stage, read_recipe
from scribbleseg.recipes.run_folder import STATUS_FILE
from scribbleseg.recipes.stages import Plan, run_recipe
from scribbleseg.recipes.training_images import max_steps, training_images

__all__ = ["Cell", "State", "cells_of", "changes_of", "state_of", "train_cell"]

FindConfig = Callable[[str], Path]
MENDABLE = 2
"""Exit code of a command that says what a user can mend."""

KILLED = 128
"""Exit codes from here on are those of a command that had no time to say anything."""

State = Literal["finished", "in the table", "changed", "unfinished", "to do"]


@dataclass(frozen=True)
class Cell:
    """One method with one seed.

    Args:
        method: The method.
        seed: The seed.
        recipe: Its stages; a method of one config is one stage.
        log: File of what its commands print.
        scribbles: Folder of its perturbed strokes; None for the dataset's own.
    """

    method: Method
    seed: int
    recipe: Recipe
    log: Path
    scribbles: Path | None = None

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{self.method.name}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """The folder that holds all of it."""
        return self.recipe.folder if len(self.recipe.stages) > 1 else self.run

    @property
    def trainings(self) -> list[Stage]:
        """Its stages that train."""
        return [stage for stage in self.recipe.stages if stage.command == "fit"]

    @property
    def run(self) -> Path:
        """The run folder that is scored: that of the last training."""
        return self.recipe.stage_folder(self.trainings[-1].name)

    def steps(self, find_config: FindConfig) -> int | None:
        """Optimiser steps of all its trainings; None if a config does not say."""
        total = 0
        for stage in self.trainings:
            steps = max_steps(find_config(str(stage.options.get("config"))), stage.options)
            if steps is None:
                return None
            total += steps
        return total

    @property
    def steps_done(self) -> int:
        """Optimiser steps of what is finished, or was interrupted and can go on."""
        total = 0
        for stage in self.trainings:
            with suppress(RunError):  # damaged; going on will say so
                status = read_json(self.recipe.stage_folder(stage.name) / STATUS_FILE)
                total += int(status.get("steps") or 0)
        return total

    def inputs(self, find_config: FindConfig) -> str:
        """What identifies everything the cell depends on, 12 digits; the same on every machine."""
        plan = Plan(self.recipe, find_config)
        # Results of earlier stages follow from what those were told, but for rounding.
        given = {
            stage.name if len(self.recipe.stages) > 1 else "": plan.given(stage)
            for stage in self.recipe.stages
        }
        text = json.dumps([given, dict(self.method.scribbles)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def cells_of(runs: Path, methods: Sequence[Method], find_config: FindConfig) -> list[Cell]:
    """The cells of some methods, the first seed of each before the second of any.

    Args:
        runs: Folder of the runs.
        methods: The methods.
        find_config: Says which file a config's or recipe's name means.

    Raises:
        ConfigError: There is no such config or recipe, or the recipe is none, or has no ``seed``.
    """
    pairs = [
        (place, index, method, seed)
        for index, method in enumerate(methods)
        for place, seed in enumerate(method.seeds)
    ]
    return [
        _cell(runs, method, seed, find_config)
        for _, _, method, seed in sorted(pairs, key=lambda pair: pair[:2])
    ]


def _cell(runs: Path, method: Method, seed: int, find_config: FindConfig) -> Cell:
    folder = runs / method.name
    log = folder / f"seed{seed}.log"
    if method.recipe is not None:
        return Cell(method, seed, _recipe(folder / f"seed{seed}", method, seed, find_config), log)
    assert method.config is not None
    find_config(method.config)
    options = {"config": method.config, **method.every_fit, **method.options}
    options["seed_everything"] = seed
    if not method.scribbles:
        stage = Stage(f"seed{seed}", "fit", options, ())
        return Cell(method, seed, Recipe(folder, (stage,)), log)
    how = "_".join(f"{name}{value:g}" for name, value in sorted(method.scribbles.items()))
    facts: dict[str, Any] = {"scribbles": dict(method.scribbles)}
    if "data.scribbles" in options:  # others than the dataset's: a folder of their own
        source = facts["scribbles of"] = options["data.scribbles"]
        how += f"_{hashlib.sha256(str(source).encode()).hexdigest()[:8]}"
    scribbles = folder / f"scribbles{seed}_{how}"
    options["data.scribbles"] = str(scribbles)
    stage = Stage(
        f"seed{seed}",
        "fit",
        options,
        (),
        places=frozenset({"data.scribbles"}),
        facts=facts,
    )
    return Cell(method, seed, Recipe(folder, (stage,)), log, scribbles)


def _recipe(folder: Path, method: Method, seed: int, find_config: FindConfig) -> Recipe:
    path = find_config(str(method.recipe))
    given: dict[str, dict[str, Any]] = {}
    values = {**method.variables, "seed": str(seed)}
    for stage in read_recipe(path, folder=str(folder), values=values).stages:
        if stage.command == "fit":
            given[stage.name] = dict(method.every_fit)
    if not given:
        raise ConfigError(f"{path}: has no stage that trains, so that there is no run to score")
    for name, value in method.options.items():
        stage_name, _, option = name.partition(".")
        given.setdefault(stage_name, {})[option] = value
    return read_recipe(path, folder=str(folder), values=values, options=given)


def state_of(cell: Cell, find_config: FindConfig, rows: Sequence[Mapping[str, str]]) -> State:
    """How far a cell is.

    ``changed``: its run is finished, but with other options or another config than it has now.
    ``in the table``: there is no run here, but a row that was measured with the same.

    Args:
        cell: The cell.
        find_config: Says which file a config's name means.
        rows: Of the CSV.
    """
    plan = Plan(cell.recipe, find_config)
    states = {plan.state(stage) for stage in cell.recipe.stages}
    if "changed" in states:
        return "changed"
    if states == {"finished"}:
        return "finished"
    if states == {"to do"}:
        inputs = cell.inputs(find_config)
        measured = any(
            (row["config"], row["seed"], row.get("inputs"))
            == (cell.method.name, str(cell.seed), inputs)
            for row in rows
        )
        return "in the table" if measured else "to do"
    return "unfinished"


def changes_of(cell: Cell, find_config: FindConfig) -> list[str]:
    """What differs from what the finished stages of a ``changed`` cell were given."""
    plan = Plan(cell.recipe, find_config)
    return [
        change
        for stage in cell.recipe.stages
        if plan.state(stage) == "changed"
        for change in plan.changes(stage)
    ]


def train_cell(
    cell: Cell, find_config: FindConfig, run: Callable[[Cell, Sequence[str]], int]
) -> str | None:
    """Run what is not finished of a cell.

    Args:
        cell: The cell.
        find_config: Says which file a config's name means.
        run: Runs a command of ours for a cell and returns its exit code.

    Returns:
        None if it is finished, otherwise why not.
    """
    lock = FolderLock(cell.folder)
    codes = [0]
    plan = Plan(cell.recipe, find_config)
    begun = [stage for stage in cell.recipe.stages if plan.state(stage) == "unfinished"]

    def noted(words: Sequence[str]) -> int:
        codes.append(run(cell, words))
        return codes[-1]

    try:
        lock.check()
        if cell.scribbles is not None:
            _perturb(cell, cell.scribbles, find_config)
        if len(cell.recipe.stages) > 1:  # a run locks its own folder
            lock.acquire()
        try:
            run_recipe(Plan(cell.recipe, find_config), noted, _silent)
        finally:
            if len(cell.recipe.stages) > 1:
                lock.release()
    except Interrupted:
        return "was stopped"
    except (ScribblesegError, OSError) as error:
        if not codes[-1]:
            return str(error)
        reason = str(error).partition(";")[0]
        if codes[-1] >= KILLED:
            return reason
        advice = ""
        if begun and codes[-1] == MENDABLE:
            folder = cell.recipe.stage_folder(begun[0].name)
            advice = f"; if its settings have changed since it began, delete {folder}"
        return f"{reason}{_last_words(cell.log)}{advice}"
    return None


def _perturb(cell: Cell, target: Path, find_config: FindConfig) -> None:
    config = find_config(str(cell.method.config))
    # Not the options of the stage, in which data.scribbles is the result.
    given = {**cell.method.every_fit, **cell.method.options}
    layout, root, names = training_images(config, given)
    perturb_scribbles(
        layout,
        root,
        names,
        Work(target),
        perturbation=Perturbation(**cell.method.scribbles),  # type: ignore[arg-type]
        seed=cell.seed,
    )


def _silent(line: str) -> None:
    """The log has the commands."""


def _last_words(log: Path) -> str:
    """What the command said last, where it ended with a message of ours."""
    if not log.is_file():
        return ""
    text = log.read_text(encoding="utf-8", errors="replace").rstrip()
    last = text.splitlines()[-1] if text else ""
    return f": {last.removeprefix('scribbleseg: error: ')[:300]}" if last else ""

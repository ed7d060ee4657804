"""A recipe: the stages of a multi-stage method, each an ordinary command, in one YAML.

::

    run: runs/shapes/self_training/seed{seed}   # folder of the recipe; each stage has one in it
    variables: {seed: 0}                        # --seed 1 on the command line
    stages:
      teacher:                                  # name of the stage and of its folder
        command: fit
        options: {config: shapes/partial_ce.yaml, seed_everything: "{seed}"}
      labels:
        command: pseudolabel
        options: {run: "{teacher}", threshold: 0.8}   # {stage} is the folder of an earlier stage
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scribbleseg.errors import ConfigError
from scribbleseg.recipes.yaml_fields import mapping_at, read_fields, refuse_unknown

__all__ = ["FOLDER_OPTION", "Recipe", "Stage", "read_recipe"]

FOLDER_OPTION = {"fit": "run", "pseudolabel": "out", "predict": "out"}
"""The commands a stage may be, and the option by which each is given its folder."""

SWITCHES = ("skip_unreadable",)
"""Options without a value."""

STAGE_NAME = re.compile(r"[\w-]+")
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Stage:
    """One command of a recipe.

    Args:
        name: Its name, and that of its folder.
        command: ``fit``, ``pseudolabel`` or ``predict``.
        options: Options of the command, placeholders filled in; without the one for its folder.
        needs: Earlier stages whose folders it is given.
        places: Options that name such a folder.
        facts: What else the result depends on, by name; e.g. what lies in a folder of ``places``.
    """

    name: str
    command: str
    options: dict[str, Any]
    needs: tuple[str, ...]
    places: frozenset[str] = frozenset()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self, folder: Path, *extra: str) -> list[str]:
        """The command line of this stage, without the program.

        >>> Stage("a", "fit", {"config": "x.yaml", "data.val": None}, ()).arguments(Path("here"))
        ['fit', '--config', 'x.yaml', '--data.val', 'null', '--run', 'here']
        """
        words = [self.command]
        for name, value in self.options.items():
            if name in SWITCHES:
                words += [f"--{name}"] if value in (True, "true") else []
                continue
            words += [f"--{name}", value if isinstance(value, str) else yaml_word(value)]
        return [*words, f"--{FOLDER_OPTION[self.command]}", str(folder), *extra]


@dataclass(frozen=True)
class Recipe:
    """The stages of a recipe in their order.

    Args:
        folder: The recipe's folder; each stage works in a folder of its name below it.
        stages: The stages.
    """

    folder: Path
    stages: tuple[Stage, ...]

    def stage_folder(self, name: str) -> Path:
        """The folder of a stage."""
        return self.folder / name


def read_recipe(
    path: Path,
    *,
    folder: str | None = None,
    values: Mapping[str, str] | None = None,
    options: Mapping[str, Mapping[str, str]] | None = None,
) -> Recipe:
    """Read a recipe and fill in its placeholders.

    Args:
        path: The YAML.
        folder: Folder of the recipe instead of its own ``run``.
        values: Values of variables, instead of the recipe's.
        options: Further options of stages, by stage.

    Raises:
        ConfigError: The file is no recipe; the message says where and what is allowed.
    """
    content = read_fields(path, "a recipe")
    refuse_unknown(path, "", content, ("run", "variables", "stages"))
    variables = mapping_at(path, "variables", content.get("variables", {}))
    stages = mapping_at(path, "stages", content.get("stages"))
    if not stages:
        raise ConfigError(f"{path}: 'stages' is empty; name at least one")
    for name in values or {}:
        if name not in variables:
            known = ", ".join(variables) or "none"
            raise ConfigError(f"{path}: has no variable {name!r}; variables: {known}")
    for name in options or {}:
        if name not in stages:
            raise ConfigError(f"{path}: has no stage {name!r}; stages: {', '.join(stages)}")
    twice = sorted(set(variables) & set(stages))
    if twice:
        raise ConfigError(f"{path}: {twice[0]!r} is the name of a variable and of a stage")
    meanings = {**variables, **(values or {})}
    run = folder or content.get("run")
    if not isinstance(run, str):
        raise ConfigError(f"{path}: 'run' is {run!r}; name the folder of the recipe, or give --run")
    home = Path(_fill(path, "run", run, meanings))
    filled = []
    for name, entry in stages.items():
        fields = mapping_at(path, f"stages.{name}", entry)
        refuse_unknown(path, f"stages.{name}.", fields, ("command", "options"))
        command = fields.get("command")
        if command not in FOLDER_OPTION:
            raise ConfigError(
                f"{path}: stages.{name}.command is {command!r}; allowed: {', '.join(FOLDER_OPTION)}"
            )
        if not STAGE_NAME.fullmatch(name) or name == "lock":
            raise ConfigError(
                f"{path}: a stage is called {name!r}; letters, digits, '-' and '_' make a name, "
                "and 'lock' is taken"
            )
        own = mapping_at(path, f"stages.{name}.options", fields.get("options", {}))
        given = {**own, **(options or {}).get(name, {})}
        if FOLDER_OPTION[command] in given:
            raise ConfigError(
                f"{path}: stages.{name}.options.{FOLDER_OPTION[command]} is set by the recipe; "
                "take it out"
            )
        named = {
            option: [word for word in PLACEHOLDER.findall(str(value)) if word in stages]
            for option, value in given.items()
        }
        needs = [word for words in named.values() for word in words]
        filled.append(
            Stage(
                name,
                command,
                {
                    option: _fill(path, f"stages.{name}.options.{option}", value, meanings)
                    for option, value in given.items()
                },
                tuple(dict.fromkeys(needs)),
                frozenset(option for option, words in named.items() if words),
            )
        )
        meanings[name] = str(home / name)  # from here on
    return Recipe(home, tuple(filled))


def yaml_word(value: Any) -> str:
    """A value on one line, as the command line's parser reads it.

    >>> yaml_word([1, None]), yaml_word(0.5)
    ('[1, null]', '0.5')
    """
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    return text.removesuffix("\n...\n").strip()


def _fill(path: Path, where: str, value: Any, meanings: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value

    def meaning(match: re.Match[str]) -> str:
        if match[1] not in meanings:
            raise ConfigError(
                f"{path}: {where} is {value!r}, but {match[0]} is neither a variable nor an "
                f"earlier stage ({', '.join(meanings)})"
            )
        return str(meanings[match[1]])

    return PLACEHOLDER.sub(meaning, value)

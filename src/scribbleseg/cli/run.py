"""``run``: the stages of a recipe, each an ordinary command."""

from collections.abc import Sequence

from jsonargparse import ArgumentError, ArgumentParser

from scribbleseg.annotation.folder_lock import FolderLock
from scribbleseg.cli.configs import find_config
from scribbleseg.cli.console import plain_console, say
from scribbleseg.cli.explain import explain
from scribbleseg.errors import ConfigError
from scribbleseg.recipes.child_process import run_in_child
from scribbleseg.recipes.recipe import read_recipe
from scribbleseg.recipes.stages import Plan, run_recipe

__all__ = ["run"]

OWN = ("--run", "--from", "--dry-run", "--help", "-h")


def run(command: str, argv: Sequence[str]) -> int:
    """Run a recipe, or say what would be run.

    Raises:
        ScribblesegError: Anything a user can mend; finished stages are kept.
    """
    parser = ArgumentParser(
        prog="scribbleseg run",
        description=(
            "Run the stages of a recipe. Finished stages are skipped, a killed one goes on where "
            "it was. The recipe's variables are options (--root mydata), and --STAGE.OPTION VALUE "
            "sets an option of one stage (--teacher.trainer.max_steps 100)."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("recipe", type=str, help="YAML file, or the name of one of the library's.")
    parser.add_argument(
        "--run", type=str | None, default=None, help="Folder of the recipe (default: as it says)."
    )
    parser.add_argument(
        "--from", type=str | None, default=None, help="Delete this stage and later ones; run them."
    )
    parser.add_argument("--dry-run", action="store_true", help="Print the plan and change nothing.")
    own, values, options = _split(argv)
    try:
        given = parser.parse_args(own)
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    recipe = read_recipe(
        find_config(given.recipe, "recipe"), folder=given.run, values=values, options=options
    )
    plan = Plan(recipe, find_config)
    if given.dry_run:
        if given["from"] is not None:
            for stage in plan.from_stage(given["from"]):
                say(f"would be deleted and made anew: {recipe.stage_folder(stage.name)}")
        plan.print(plain_console())
        return 0
    lock = FolderLock(recipe.folder)
    lock.acquire()
    try:
        if given["from"] is not None:
            plan.begin_at(given["from"])
        run_recipe(plan, run_in_child, say)
    finally:
        lock.release()
    say(f"all {len(recipe.stages)} stages are finished, in {recipe.folder}")
    return 0


def _split(
    argv: Sequence[str],
) -> tuple[list[str], dict[str, str], dict[str, dict[str, str]]]:
    """Our own words, values of variables, and options of stages."""
    own: list[str] = []
    values: dict[str, str] = {}
    options: dict[str, dict[str, str]] = {}
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if not name.startswith("--") or name in OWN:
            own.append(word)
            if name in {"--run", "--from"} and not equals:
                own.extend(next(words, "") for _ in range(1))
            continue
        if not equals:
            value = next(words, "")
            if not value:
                raise ConfigError(f"{name}: needs a value")
        stage, dot, option = name.removeprefix("--").partition(".")
        if dot:
            options.setdefault(stage, {})[option] = value
        else:
            values[stage] = value
    return own, values, options

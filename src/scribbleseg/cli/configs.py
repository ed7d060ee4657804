"""Where configs come from: a path, or the set that comes with the library."""

import difflib
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scribbleseg.errors import ConfigError, RunError

__all__ = [
    "CONFIG_OPTIONS",
    "bundled_configs",
    "check_same_config",
    "find_config",
    "flattened",
    "scored_otherwise",
    "with_config",
]

CONFIG_OPTIONS = ("--config", "-c")

FREE_WHEN_RESUMED = ("save_every", "max_bad_steps", "data.num_workers", "data.eval_batch_size")
"""What a resumed run may change, since no weight depends on it."""

OF_NO_SCORE = (*FREE_WHEN_RESUMED, "data.batch_size")
"""What a test may change beside most of ``trainer``, since no score depends on it."""


def bundled_configs() -> Path:
    """Folder of the library's own configs, inside an installed package or in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parents[1] / "configs"


def find_config(name: str, option: str = "--config") -> Path:
    """The config file a user means: a path, or a path below the library's own configs.

    ``configs/acdc/partial_ce_small.yaml`` and ``acdc/partial_ce_small.yaml`` both name the
    library's file when there is no such file in the working directory.

    Raises:
        ConfigError: There is no such file; the message says what there is.
    """
    path = Path(name)
    if path.is_file():
        return path
    own = bundled_configs()
    for candidate in (own / name, own.parent / name):
        if candidate.is_file():
            return candidate
    here = [str(p) for p in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    close = difflib.get_close_matches(name, here, n=1, cutoff=0.8)
    if close:
        raise ConfigError(f"{option}: no file {name!r}; did you mean {close[0]!r}?")
    known = sorted(p.relative_to(own).as_posix() for p in own.rglob("*.yaml"))
    wanted = path.as_posix().removeprefix(f"{own.name}/")
    close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.8)
    if close:
        raise ConfigError(f"{option}: no file {name!r}; did you mean the library's {close[0]!r}?")
    folder = f"{wanted.rpartition('/')[0]}/"
    known = [one for one in known if one.startswith(folder)] or known
    alike = [one for one in known if path.stem and path.stem in Path(one).stem]
    has = f"among others {', '.join(alike)}" if alike else ", ".join(known)
    raise ConfigError(f"{option}: no file {name!r}; the library has {has}")


def with_config(command: str, argv: list[str]) -> list[str]:
    """A command's arguments with the files that its configs mean.

    Names of the library's own configs become paths; where none is given, the run's is taken.

    Raises:
        ConfigError: There is no such config, or neither config nor run is named.
        RunError: The folder is not that of a run.
    """
    words: list[str] = []
    for word in argv:
        name, equals, value = word.partition("=")
        words += [name, value] if equals and name in {*CONFIG_OPTIONS, "--run"} else [word]
    options = dict(itertools.pairwise(words))
    for position, word in enumerate(words[:-1]):
        if word in CONFIG_OPTIONS:
            words[position + 1] = str(find_config(words[position + 1]))
    if {*CONFIG_OPTIONS, "--help", "-h"} & set(words) or (
        command == "fit" and "--resume" not in words
    ):
        return words
    if "--run" not in options:
        raise ConfigError(
            f"scribbleseg {command}: which run? Give its folder: --run DIR (or a --config)"
        )
    config = Path(options["--run"]) / "config.yaml"
    if not config.is_file():
        raise RunError(f"{config}: no such file; {options['--run']} is not the folder of a run")
    return ["--config", str(config), *words]


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A config as one level of dotted names; lists stay values.

    >>> flattened({"seed": 1, "data": {"root": "here"}})
    {'seed': 1, 'data.root': 'here'}
    """
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _changed_values(stored: Path, now: str) -> dict[str, tuple[Any, Any]]:
    """What differs from the config of a run: its value and the present one, by dotted name.

    Args:
        stored: The config of the run.
        now: The present config, YAML.
    """
    before = flattened(yaml.safe_load(stored.read_text(encoding="utf-8")))
    # What the stored config lacks is an option that a later version of ours has added.
    return {
        name: (before[name], value)
        for name, value in flattened(yaml.safe_load(now)).items()
        if name in before and before[name] != value
    }


def scored_otherwise(stored: Path, now: str) -> list[str]:
    """The options that make the scores of a test something else than those of the run itself.

    Args:
        stored: The config of the run.
        now: The config of the test, YAML.
    """
    return [
        f"{name} {before!r} -> {after!r}"
        for name, (before, after) in _changed_values(stored, now).items()
        if name not in OF_NO_SCORE
        and (not name.startswith("trainer.") or name == "trainer.precision")
    ]


def check_same_config(stored: Path, now: str) -> None:
    """Refuse to go on with another config than the run was started with.

    Args:
        stored: The config of the run.
        now: The config that is asked for, YAML.

    Raises:
        ConfigError: Values differ on which weights depend; the first ones are listed.
    """
    changed = [
        f"{name} {before!r} -> {after!r}"
        for name, (before, after) in _changed_values(stored, now).items()
        if name not in FREE_WHEN_RESUMED
    ]
    if changed:
        raise ConfigError(
            f"{stored}: --resume continues with the run's own config, but these values differ: "
            f"{'; '.join(changed[:5])}; leave the options out, or start a new run"
        )

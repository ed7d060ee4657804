"""A benchmark: methods and seeds that are trained and end in one table, in one YAML.

::

    title: ACDC, small
    about: Trained on fold1_train, ...          # stands above the table
    runs: runs/benchmarks                       # a cell is the run runs/METHOD/seedK in it
    csv: docs/benchmarks/acdc.csv               # one row a cell; kept from one run to the next
    seeds: [0, 1]
    baseline: acdc/partial_ce_small             # paired differences are to this method
    reference: acdc/full_supervision_small      # drawn as a line
    options: {data.num_workers: 0}              # of every fit
    methods:
      acdc/partial_ce_small:                    # name of its rows in the CSV
        title: partial cross entropy
        config: acdc/partial_ce_small.yaml
        group: baseline                         # group and prior are columns of the table
        seeds: [0, 1, 2]
      acdc/cdsp_small:
        recipe: recipes/cdsp_acdc.yaml          # its last fit is the run that is scored
        variables: {root: mydata}               # of the recipe; its seed is the cell's
        options: {teacher.trainer.max_steps: 900}
      half of each stroke:
        config: shapes/partial_ce.yaml
        scribbles: {shrink: 0.5}                # of `perturb`; the seed is the cell's
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scribbleseg.errors import ConfigError
from scribbleseg.recipes.yaml_fields import mapping_at, read_fields, refuse_unknown

__all__ = ["Benchmark", "Method", "read_benchmark"]

TEXTS = ("title", "about", "runs", "csv", "baseline", "reference")
NEEDED = ("runs", "csv", "seeds", "methods")
FIELDS = (*TEXTS, "seeds", "options", "methods")
METHOD_TEXTS = ("title", "config", "recipe", "group", "prior")
METHOD_FIELDS = (*METHOD_TEXTS, "seeds", "options", "variables", "scribbles")
PERTURBATIONS = ("shrink", "drop")
OURS = ("run", "resume", "overwrite")
"""Options of ``fit`` that the harness gives."""

PARTS = ("trainer", "data")
"""Parts of a config whose options are looked into."""

RESERVED = "submitit"
"""Folder of the files of cluster jobs, beside those of the methods."""

NAME = re.compile(r"\w[\w.+-]*(?: [\w.+-]+)*(?:/\w[\w.+-]*(?: [\w.+-]+)*)*")
"""Words, and folders of words: a method is a folder of runs."""


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Args:
        name: That of its rows in the CSV, and of its folder.
        title: What the table calls it.
        config: Config file of a training, or None.
        recipe: Recipe file of several stages, or None; exactly one of the two is given.
        seeds: One cell each.
        options: Further options of ``fit``; of a recipe, ``STAGE.OPTION``.
        every_fit: Options of every ``fit``, whatever the method.
        variables: Of the recipe, beside ``seed``.
        scribbles: How the strokes are made worse (``shrink``, ``drop``); empty for as they are.
        group: A word for the table, e.g. ``published``.
        prior: A word for the table: with which prior it was trained.
    """

    name: str
    title: str
    config: str | None
    recipe: str | None
    seeds: tuple[int, ...]
    options: Mapping[str, Any]
    every_fit: Mapping[str, Any]
    variables: Mapping[str, str]
    scribbles: Mapping[str, float]
    group: str = ""
    prior: str = ""

    @property
    def label(self) -> str:
        """Its title, with the prior where there is one."""
        return f"{self.title} ({self.prior})" if self.prior else self.title


@dataclass(frozen=True)
class Benchmark:
    """What is compared.

    Args:
        path: The file that says so.
        title: Heading of the table.
        about: What stands above it.
        runs: Folder of the runs.
        csv: The table, one row a run.
        methods: The rows, in their order.
        baseline: Name of the method that the others are compared with, or None.
        reference: Name of the method that shows what can be reached, or None.
    """

    path: Path
    title: str
    about: str
    runs: Path
    csv: Path
    methods: tuple[Method, ...]
    baseline: str | None
    reference: str | None

    @property
    def command(self) -> str:
        """The command line that makes the table."""
        ours = self.path.parts[-3:-1] == ("configs", "benchmarks")
        return f"scribbleseg benchmark {f'benchmarks/{self.path.name}' if ours else self.path}"

    @property
    def page(self) -> Path:
        """The HTML report."""
        return self.runs / f"{self.path.stem}.html"

    def only(self, names: Sequence[str]) -> tuple[Method, ...]:
        """Some of the methods, in their order.

        Raises:
            ConfigError: There is no such method.
        """
        known = [method.name for method in self.methods]
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"{self.path}: has no method {name!r}; methods: {', '.join(known)}"
                )
        return tuple(method for method in self.methods if method.name in names)

    def elsewhere(self, runs: str | None, csv: str | None) -> "Benchmark":
        """The same with another folder of runs, or another table.

        Raises:
            ConfigError: The table is not called ``.csv``.
        """
        return replace(
            self,
            runs=Path(runs) if runs else self.runs,
            csv=_csv("--csv", csv) if csv else self.csv,
        )


def read_benchmark(path: Path) -> Benchmark:
    """Read a benchmark.

    Raises:
        ConfigError: A name is unknown or missing, or a value is impossible; the message says where
            and what is allowed.
    """
    fields = read_fields(path, "a benchmark")
    refuse_unknown(path, "", fields, FIELDS)
    for key in NEEDED:
        if key not in fields:
            raise ConfigError(f"{path}: {key!r} is missing; needed: {', '.join(NEEDED)}")
    _check_texts(path, "", fields, TEXTS)
    every_fit = _options(path, "options", fields.get("options", {}))
    seeds = _seeds(path, "seeds", fields["seeds"])
    entries = mapping_at(path, "methods", fields["methods"])
    if not entries:
        raise ConfigError(f"{path}: 'methods' is empty; name at least one")
    _check_folders(path, tuple(entries))
    methods = tuple(_method(path, name, entry, seeds, every_fit) for name, entry in entries.items())
    for key in ("baseline", "reference"):
        if fields.get(key) not in {None, *entries}:
            raise ConfigError(
                f"{path}: {key!r} is {fields[key]!r}, which is no method; methods: "
                f"{', '.join(entries)}"
            )
    return Benchmark(
        path=path,
        title=" ".join(fields.get("title", path.stem).split()),
        about=" ".join(fields.get("about", "").split()),
        runs=Path(fields["runs"]),
        csv=_csv(f"{path}: 'csv'", fields["csv"]),
        methods=methods,
        baseline=fields.get("baseline"),
        reference=fields.get("reference"),
    )


def _method(
    path: Path, name: str, entry: Any, seeds: tuple[int, ...], every_fit: Mapping[str, Any]
) -> Method:
    where = f"methods.{name}"
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{path}: a method is called {name!r}; its name is that of a folder: letters, digits "
            "and '_+-. ', with '/' between folders"
        )
    fields = mapping_at(path, where, entry)
    refuse_unknown(path, f"{where}.", fields, METHOD_FIELDS)
    _check_texts(path, f"{where}.", fields, METHOD_TEXTS)
    if ("config" in fields) == ("recipe" in fields):
        raise ConfigError(f"{path}: {where}: give either 'config' or 'recipe'")
    scribbles = mapping_at(path, f"{where}.scribbles", fields.get("scribbles", {}))
    refuse_unknown(path, f"{where}.scribbles.", scribbles, PERTURBATIONS)
    for key, value in scribbles.items():
        if type(value) not in {int, float} or not 0 <= value <= 1:
            raise ConfigError(f"{path}: {where}.scribbles.{key} is {value!r}; expected 0 to 1")
    variables = mapping_at(path, f"{where}.variables", fields.get("variables", {}))
    if variables and "config" in fields:
        raise ConfigError(f"{path}: {where}.variables: are those of a 'recipe', not of a 'config'")
    if "seed" in variables:
        raise ConfigError(f"{path}: {where}.variables.seed: comes from 'seeds'; take it out")
    if scribbles and "recipe" in fields:
        raise ConfigError(f"{path}: {where}.scribbles: works with 'config' only, not with 'recipe'")
    return Method(
        name=name,
        title=" ".join(fields.get("title", name).split()),
        config=fields.get("config"),
        recipe=fields.get("recipe"),
        seeds=_seeds(path, f"{where}.seeds", fields["seeds"]) if "seeds" in fields else seeds,
        options=_options(path, f"{where}.options", fields.get("options", {})),
        every_fit=every_fit,
        variables={variable: str(value) for variable, value in variables.items()},
        scribbles=scribbles,
        group=fields.get("group", ""),
        prior=fields.get("prior", ""),
    )


def _csv(where: str, name: str) -> Path:
    if Path(name).suffix != ".csv":
        raise ConfigError(
            f"{where} is {name!r}; expected a name that ends in .csv (.md and .png are beside it)"
        )
    return Path(name)


def _check_folders(path: Path, names: Sequence[str]) -> None:
    """Refuse a method whose folder would lie in that of another's runs, or of jobs."""
    for name in names:
        for other in (*names, RESERVED):
            if name.startswith(f"{other}/") or name == RESERVED:
                raise ConfigError(
                    f"{path}: method {name!r} would be kept in the folder of {other!r}; call it "
                    "something else"
                )


def _options(path: Path, where: str, value: Any) -> dict[str, Any]:
    options = mapping_at(path, where, value)
    for name, given in options.items():
        last = name.rpartition(".")[2]
        if last == "seed_everything":
            raise ConfigError(f"{path}: {where}.{name}: comes from 'seeds'; take it out")
        if last in OURS or name == "config":  # of a recipe's stage it may be another
            raise ConfigError(f"{path}: {where}.{name}: is the benchmark's to say; take it out")
        if last in PARTS and isinstance(given, dict):
            one = next(iter(given), "NAME")
            raise ConfigError(
                f"{path}: {where}.{name}: write every option with its whole name, '{name}.{one}: "
                "VALUE'"
            )
    return options


def _check_texts(path: Path, prefix: str, fields: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name in fields and (not isinstance(fields[name], str) or not fields[name].strip()):
            raise ConfigError(f"{path}: {prefix + name!r} is {fields[name]!r}; expected a text")


def _seeds(path: Path, where: str, value: Any) -> tuple[int, ...]:
    if (
        not isinstance(value, list)
        or not value
        or any(type(seed) is not int or seed < 0 for seed in value)
        or len(set(value)) < len(value)
    ):
        raise ConfigError(f"{path}: {where!r} is {value!r}; list different numbers, e.g. [0, 1]")
    return tuple(value)

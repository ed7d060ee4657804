"""``benchmark``: a grid of methods and seeds, trained and shown in one table."""

from collections.abc import Mapping, Sequence
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt

from scribbleseg.cli.configs import find_config
from scribbleseg.cli.console import plain_console, say
from scribbleseg.cli.explain import explain
from scribbleseg.errors import ConfigError, RunError, ScribblesegError
from scribbleseg.recipes.benchmark_cells import (
    Cell,
    State,
    cells_of,
    changes_of,
    state_of,
)
from scribbleseg.recipes.benchmark_jobs import run_here, run_on_cluster
from scribbleseg.recipes.benchmark_page import write_benchmark
from scribbleseg.recipes.benchmark_plan import expected_seconds, print_plan
from scribbleseg.recipes.benchmark_rows import add_rows, read_rows, row_of
from scribbleseg.recipes.benchmark_spec import Benchmark, read_benchmark
from scribbleseg.recipes.training_images import test_list

__all__ = ["run"]

UNTESTED = (
    "its last weights were not tested with the run's own options; give the config a test list "
    "(data.test), or run 'scribbleseg test --run' on its folder, with no other option"
)


Seen = tuple[Cell, State, dict[str, str] | None]
"""A cell, how far it is, and its row if it has one."""


def run(command: str, argv: Sequence[str]) -> int:
    """Train what is not finished, and write the table after every cell.

    Returns:
        0 if every cell is finished, 1 if one failed or was finished with other settings.

    Raises:
        ScribblesegError: Anything a user can mend; finished cells are kept.
    """
    parser = _parser()
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    if options.cluster is None and options.cluster_options:
        raise ConfigError("--cluster_options: are for --cluster, which is not given")
    if options.cluster is not None and options.jobs is not None:
        raise ConfigError("--jobs: is for this machine; with --cluster every cell is a job")
    benchmark = read_benchmark(find_config(options.spec, "benchmark"))
    benchmark = benchmark.elsewhere(options.run, options.csv)
    methods = benchmark.only(options.only) if options.only else benchmark.methods
    cells = cells_of(benchmark.runs, methods, find_config)
    for cell in cells:
        _check_tested(cell)
    rows = read_rows(benchmark.csv)
    seen, problems = _look_at(cells, rows)
    if options.dry_run:
        print_plan(
            plain_console(),
            [(cell, state, expected_seconds(cell, rows, find_config)) for cell, state, _ in seen],
            jobs=options.jobs or 1,
        )
        for problem in problems:
            say(problem)
        return 0
    every = cells_of(benchmark.runs, benchmark.methods, find_config)
    trained: list[str] = []
    problems += _train(benchmark, every, seen, trained, options)
    try:
        _write(benchmark, every, trained, print_table=True)
    finally:
        for problem in problems:
            say(problem)
    return 1 if problems else 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="scribbleseg benchmark",
        description=(
            "Train every method with every seed of a benchmark, and write one table: CSV, "
            "Markdown, HTML and plots. A cell is an ordinary run; finished ones are skipped, "
            "stopped ones go on, failed ones are named at the end."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("spec", type=str, help="YAML file, or the name of one of the library's.")
    parser.add_argument("--only", type=str, nargs="+", help="These methods, not all.")
    parser.add_argument(
        "--jobs", type=PositiveInt | None, default=None, help="Cells at a time (default: 1)."
    )
    parser.add_argument("--dry-run", action="store_true", help="Print the cells; change nothing.")
    parser.add_argument(
        "--run", type=str | None, default=None, help="Folder of the runs (default: as it says)."
    )
    parser.add_argument(
        "--csv",
        type=str | None,
        default=None,
        help="The table (default: as it says); Markdown and plots are beside it.",
    )
    parser.add_argument(
        "--cluster",
        type=str | None,
        default=None,
        help="A job for each cell, through submitit: slurm, or local to try it.",
    )
    parser.add_argument(
        "--cluster_options",
        type=dict[str, Any],
        default={},
        help="Of submitit, e.g. '{slurm_partition: gpu, timeout_min: 600, gpus_per_node: 1}'.",
    )
    return parser


def _look_at(
    cells: Sequence[Cell], rows: Sequence[Mapping[str, str]]
) -> tuple[list[Seen], list[str]]:
    """All cells but those whose files are damaged; a line for each of these."""
    seen: list[Seen] = []
    problems = []
    for cell in cells:
        try:
            state = state_of(cell, find_config, rows)
            row = row_of(cell, find_config) if state == "finished" else None
        except RunError as error:  # of one cell: the others go on
            problems.append(f"damaged: {cell.name}: {error}")
        else:
            seen.append((cell, state, row))
    return seen, problems


def _train(
    benchmark: Benchmark,
    every: Sequence[Cell],
    seen: Sequence[Seen],
    trained: list[str],
    options: Namespace,
) -> list[str]:
    """Train; a line for each cell that is not finished then. ``trained`` is told of the others."""
    problems = []
    to_train = []
    for cell, state, row in seen:
        if state == "changed":
            what = "; ".join(changes_of(cell, find_config)[:3])
            problems.append(
                f"changed: {cell.name}: was finished with other settings: {what}; delete "
                f"{cell.folder} to train it anew, or choose another --run"
            )
        elif state == "finished" and row is None:
            problems.append(f"not tested: {cell.name}: {UNTESTED}")
        elif state in {"unfinished", "to do"}:
            to_train.append(cell)
    count = 0

    def finished(cell: Cell, problem: str | None) -> None:
        nonlocal count
        count += 1
        if problem is None:
            problem = _shortcoming(cell)
        ending = "finished" if problem is None else "not finished"
        say(f"{count} of {len(to_train)}: {cell.name}: {ending}")
        if problem is not None:
            problems.append(f"failed: {cell.name}: {problem}; log: {cell.log}")
            return
        trained.append(cell.name)
        try:
            _write(benchmark, every, trained)
        except (ScribblesegError, OSError) as error:  # the others go on; it is written at the end
            say(f"the table is not written: {error}")

    done = len(seen) - len(to_train) - len(problems)
    known = sum(state == "in the table" for _, state, _ in seen)
    say(
        f"{benchmark.title}: {len(to_train)} cells to train, {done - known} finished"
        + (f", {known} only in {benchmark.csv} (to train them, take out their rows)" * bool(known))
    )
    if options.cluster is not None:
        folder = benchmark.runs / "submitit"
        run_on_cluster(
            to_train,
            find_config,
            finished,
            cluster=options.cluster,
            options=options.cluster_options,
            folder=folder,
        )
    else:
        run_here(to_train, find_config, finished, jobs=options.jobs or 1)
    return problems


def _check_tested(cell: Cell) -> None:
    """Refuse a cell that would end without a score, before it is trained."""
    options = cell.trainings[-1].options
    if "config" not in options:
        return
    config = find_config(str(options["config"]))
    if test_list(config, options) is None:
        raise ConfigError(
            f"{cell.name}: data.test of {config} is null, so that nothing would be scored; give "
            "the method, or all, the option data.test"
        )


def _shortcoming(cell: Cell) -> str | None:
    """Why a cell that was trained just now has no row; None if it has one."""
    seen, problems = _look_at([cell], ())
    if problems:
        return problems[0]
    _, state, row = seen[0]
    if state == "changed":
        what = "; ".join(changes_of(cell, find_config)[:3])
        return f"its settings were changed while it was trained: {what}; delete {cell.folder}"
    return UNTESTED if row is None else None


def _write(
    benchmark: Benchmark,
    cells: Sequence[Cell],
    trained: Sequence[str],
    *,
    print_table: bool = False,
) -> None:
    """Bring the table up to date with every finished run, also those of other methods.

    A row that another machine measured with the same settings stays, unless the cell was trained
    just now.
    """
    before = read_rows(benchmark.csv)
    kept = {(row["config"], row["seed"], row.get("inputs")) for row in before}
    seen, _ = _look_at(cells, ())
    new = [
        row
        for cell, _, row in seen
        if row is not None
        and (cell.name in trained or (row["config"], row["seed"], row["inputs"]) not in kept)
    ]
    rows = add_rows(benchmark.csv, new) if new else before
    names = {method.name for method in benchmark.methods}
    if not any(row["config"] in names for row in rows):
        return
    inputs = {(cell.method.name, str(cell.seed)): cell.inputs(find_config) for cell in cells}
    text, written = "", None
    while rows != written:  # or another process has added a row meanwhile
        text, written = write_benchmark(benchmark, rows, inputs), rows
        rows = read_rows(benchmark.csv)
    if print_table:
        print(text)
        say(f"table: {benchmark.csv.with_suffix('.md')}")
        say(f"report: {benchmark.page}")

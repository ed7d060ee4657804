"""``compare-labels``: which source of pseudo labels is better; one table."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser

from scribbleseg.cli.configs import find_config
from scribbleseg.cli.console import say
from scribbleseg.cli.explain import explain
from scribbleseg.data.layouts import load_layout
from scribbleseg.errors import ConfigError
from scribbleseg.recipes.label_source_scores import score_sources, table_of, write_source_scores
from scribbleseg.recipes.label_sources import read_label_sources

__all__ = ["run"]


def run(command: str, argv: Sequence[str]) -> int:
    """Score the labels of every source, and name what is missing.

    Raises:
        ScribblesegError: Anything a user can mend; nothing is written then.
    """
    parser = ArgumentParser(
        prog="scribbleseg compare-labels",
        description=(
            "Score the pseudo labels of several sources against the masks, and write one table "
            "(label_sources.md, label_sources.csv) with the test scores of the runs that learned "
            "from them. Folders that are missing or incomplete are named, the others scored."
        ),
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "sources", type=str, help="YAML file with the sources, or the name of one of the library's."
    )
    parser.add_argument(
        "--root",
        type=str | None,
        default=None,
        help="Folder of the dataset (default: as the file says); looked for as data.root is.",
    )
    parser.add_argument(
        "--out",
        type=str | None,
        default=None,
        help="Folder of the table (default: runs/label_sources/NAME OF THE FILE).",
    )
    try:
        options = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise ConfigError(explain(error, parser, ())) from None
    path = find_config(options.sources, "sources")
    sources = read_label_sources(path, root=options.root)
    if sources.config is not None:
        find_config(sources.config, f"{path}: config")
    layout, root = load_layout(sources.layout, sources.root)
    scores = score_sources(sources, layout, root, say)
    out = Path(options.out or Path("runs/label_sources") / path.stem)
    write_source_scores(out, scores)
    print(table_of(scores))
    say(f"table: {out / 'label_sources.md'}")
    return 0

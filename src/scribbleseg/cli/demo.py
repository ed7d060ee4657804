"""``demo``: the embedded example from nothing to a table and a picture."""

from collections.abc import Sequence

from scribbleseg.cli.train import run as run_training

__all__ = ["run"]

CONFIG = "shapes/partial_ce.yaml"
RUN = "runs/demo"


def run(command: str, argv: Sequence[str]) -> int:
    """Train partial cross entropy on the shapes, with any option of ``fit``; replace runs/demo.

    Raises:
        ScribblesegError: Anything a user can mend.
    """
    words = list(argv)
    given = {word.partition("=")[0] for word in words}
    if not given & {"--config", "-c"}:
        words = ["--config", CONFIG, *words]
    if "--run" not in given:
        words = [*words, "--run", RUN]
    if not given & {"--resume", "--overwrite", "--help", "-h"}:
        words.append("--overwrite")
    return run_training("fit", words)

"""Failures that a user can do something about, and that come as somebody else's exception."""

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from scribbleseg.data.datamodule import ScribbleDataModule
from scribbleseg.errors import ConfigError, RunError, ScribblesegError

__all__ = ["in_plain_words", "refused_option"]


def in_plain_words(
    error: BaseException, data: ScribbleDataModule, *, training: bool
) -> RunError | None:
    """What a user can do when memory ran out; None for any other error.

    Args:
        error: What ended training or a test.
        data: The run's data, for the sizes that were in use.
        training: Whether weights were being trained, with their validation, or tested.
    """
    first_line = next(iter(str(error).splitlines()), "")
    if isinstance(error, torch.OutOfMemoryError):
        if training:
            return RunError(
                f"out of memory at --data.batch_size {data.batch_size} ({first_line}); start a new "
                "run with a lower one, a smaller --data.resize or a crop in --data.transforms. If "
                f"it was a validation, --resume with --data.eval_batch_size below "
                f"{data.eval_batch_size}"
            )
        return RunError(
            f"out of memory at --data.eval_batch_size {data.eval_batch_size} ({first_line}); lower "
            "it and test again; the weights are intact"
        )
    if isinstance(error, ConnectionError) and data.num_workers:  # it died while it was answering
        first_line = f"DataLoader worker is gone ({first_line})."
    if first_line.startswith("DataLoader worker"):
        again = "go on with --resume" if training else "test again"
        return RunError(
            f"{first_line} If nobody killed it, memory ran out: {again} and a lower "
            f"--data.num_workers (it was {data.num_workers})"
        )
    return None


def refused_option(error: BaseException) -> ScribblesegError | None:
    """What is wrong with an option, when data, method and trainer could not be built.

    Args:
        error: What building them raised; the argument parser wraps what our classes say in its own
            exceptions, with every option in the message.

    Returns:
        Our own error if there is one, or the innermost reason of the parser or trainer; None for an
        error in somebody's code, which a traceback explains better.
    """
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    for one in chain:
        if isinstance(one, ScribblesegError):
            return one
    innermost = chain[-1]
    if isinstance(innermost, MisconfigurationException | ValueError):
        return ConfigError(" ".join(str(innermost).split()))
    return None

"""One process speaks for all, and Lightning only when it has something to say."""

import logging
import warnings

from lightning.fabric.utilities import rank_zero_only

__all__ = ["is_leader", "quieten"]


def is_leader() -> bool:
    """Whether this is the first of several processes; known from their start on."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def quieten() -> None:
    """Silence what Lightning says at every start, and warnings about deliberate choices."""
    for name in (
        "lightning.pytorch.utilities.rank_zero",
        "lightning.fabric.utilities.seed",
        "lightning.fabric.utilities.distributed",
        *([] if is_leader() else ["scribbleseg"]),  # one process speaks for all
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*resuming from a checkpoint that ended before the epoch ended.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*number of training batches .* is smaller than the logging interval.*",
        ".*sync_dist=True.*",  # counts are summed over processes before they become scores
        ".*Total length of .* across ranks is zero.*",  # no validation
        ".*treespec.*LeafSpec.*",
        ".*isinstance.*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message)

"""Published evaluations that judge by another truth than that of the masks.

``blpseg_context``: BLPSeg (Wang et al., IEEE TIP 2023) replaces the 459 ids of PASCAL-Context one
after the other in place, and four of its 59 classes are replaced twice. In its truth bag and
bedclothes are background, bed and bench are bicycle: these four have an IoU of 0 whatever is
predicted, and a prediction that is right everywhere scores less than 1. Its number, 45.745, is the
mean over all 60 classes: "mean, absent = 0" in the tables.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from scribbleseg.errors import ConfigError

__all__ = ["TruthProtocol", "merged_classes"]

TruthProtocol = Literal["blpseg_context"]

MERGED: Mapping[TruthProtocol, Mapping[str, str]] = {
    "blpseg_context": {
        "bag": "background",
        "bed": "bicycle",
        "bench": "bicycle",
        "bedclothes": "background",
    }
}
"""Classes of the truth, and those that take their place."""


def merged_classes(protocol: TruthProtocol, class_names: Sequence[str]) -> dict[int, int]:
    """Which labels of the truth count as which others, by index.

    Args:
        protocol: A published evaluation.
        class_names: Names of the classes in the order of the labels.

    Raises:
        ConfigError: The classes are not those of the evaluation's dataset.

    >>> names = ["background", "bicycle", "bag", "bed", "bench", "bedclothes"]
    >>> merged_classes("blpseg_context", names)
    {2: 0, 3: 1, 4: 1, 5: 0}
    """
    merged = MERGED[protocol]
    names = list(class_names)
    missing = [name for pair in merged.items() for name in pair if name not in names]
    if missing:
        raise ConfigError(
            f"--protocol {protocol}: no class {missing[0]!r}; give the dataset it was made for: "
            "--dataset DIR --layout context"
        )
    return {names.index(one): names.index(other) for one, other in merged.items()}

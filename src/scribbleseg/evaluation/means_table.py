"""The table of Dice and HD95 that single images and volumes share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from scribbleseg.evaluation.undefined import mean_of_defined, shown

__all__ = ["means_table"]


def means_table(
    title: str,
    class_names: Sequence[str],
    dice: NDArray[np.float64],
    hd95: NDArray[np.float64],
    empty: Sequence[NDArray[np.int64]],
    *,
    unit: str,
    background: bool,
) -> Table:
    """Means of each class, the mean of the classes, and how often there was nothing to measure.

    Args:
        title: Line above the table.
        class_names: Names of the K classes.
        dice: ``(K,)`` means.
        hd95: ``(K,)`` means.
        empty: Three times ``(K,)``: none predicted, none true, in neither.
        unit: Unit of HD95.
        background: Whether class 0 is among the classes; the mean without it is then shown too.
    """
    table = Table(title=title)
    columns = ("class", "Dice", f"HD95 {unit}", "none predicted", "none true", "in neither")
    for column in columns:
        table.add_column(column, justify="left" if column == "class" else "right")
    for index, name in enumerate(class_names):
        counts = (str(count[index]) for count in empty)
        table.add_row(name, shown(dice[index]), shown(hd95[index], 1), *counts)
    table.add_section()
    for name, first in (("mean", 0), ("mean without class 0", 1))[: 1 + background]:
        table.add_row(
            name,
            shown(mean_of_defined(dice[first:])),
            shown(mean_of_defined(hd95[first:]), 1),
            *(str(count[first:].sum()) for count in empty),
        )
    table.caption = (
        "none predicted: counts as Dice 0, has no HD95. none true: the same. in neither: left out "
        "of both means."
    )
    return table

"""Options of the data that can be refused before any file is read."""

from collections.abc import Sequence
from typing import Any

from scribbleseg.data.layout import Layout
from scribbleseg.errors import ConfigError

__all__ = ["check_options"]


def check_options(
    layout: Layout,
    *,
    background_prior: str,
    weak_transforms: Sequence[Any] | None,
    weak_batch_size: int | None,
    resize: tuple[int, int] | None,
    num_workers: int,
) -> None:
    """Refuse options of `ScribbleDataModule` that cannot be, or would do nothing.

    Args:
        layout: The dataset.
        background_prior: ``none`` or ``hull``.
        weak_transforms: Of the weak half of a batch, or None.
        weak_batch_size: Images of the weak half, or None.
        resize: Height and width in pixels, or None.
        num_workers: Processes that load data.

    Raises:
        ConfigError: Names the option, its value and what is allowed.
    """
    if background_prior == "hull" and not layout.background_drawn:
        raise ConfigError(
            "data.background_prior: hull needs background strokes around the objects, which "
            f"{layout.name!r} does not have (background_drawn is false); leave it at none, or, if "
            "they are there, say 'background_drawn: true' in its dataset.yaml"
        )
    if weak_transforms is not None and weak_batch_size is None:
        raise ConfigError(
            "data.weak_transforms: batches have no weak half; set data.weak_batch_size"
        )
    if resize is not None and min(resize) < 1:
        raise ConfigError(f"data.resize: {tuple(resize)}; expected sides of 1 or more, or null")
    if num_workers < 0:
        raise ConfigError(f"data.num_workers: {num_workers}; expected 0 or more")

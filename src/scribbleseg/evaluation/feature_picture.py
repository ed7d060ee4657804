"""A look at features and prototypes: their principal components as colours and as a plane."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribbleseg.annotation.label_image import Color
from scribbleseg.annotation.whole_file import whole_file

__all__ = ["draw_prototypes", "principal_components"]

MOST_POINTS = 4000


def principal_components(vectors: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The mean of some vectors, and the directions in which they differ most.

    Args:
        vectors: ``(N, D)`` float.
        count: Directions, at most D.

    Returns:
        ``(D,)``, and ``(D, count)`` of length 1 and at right angles, the first the most important.

    >>> mean, axes = principal_components(np.array([[0.0, 1.0], [4.0, 1.0]]), 1)
    >>> mean.tolist(), np.abs(axes).tolist()
    ([2.0, 1.0], [[1.0], [0.0]])
    """
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    _, axes = np.linalg.eigh(centred.T @ centred)
    return mean, axes[:, ::-1][:, :count]


def draw_prototypes(
    path: Path,
    picture: NDArray[np.uint8],
    features: NDArray[np.floating],
    label: NDArray[np.integer],
    prototypes: NDArray[np.floating],
    class_names: Sequence[str],
    palette: Sequence[Color],
) -> None:
    """Draw a picture, its feature map, and its features among the prototypes.

    Features are scaled to length 1, as prototypes are. The map shows three principal components
    as red, green and blue; the plane shows two, a dot for each cell and a star for each prototype.

    Args:
        path: PNG to write.
        picture: ``(H, W, 3)`` or ``(H, W)`` uint8.
        features: ``(D, h, w)`` float, D at least 3.
        label: ``(h, w)``, the class of each cell.
        prototypes: ``(K, G, D)`` float; those that are 0 are left out.
        class_names: Names of the K classes.
        palette: RGB of each class.
    """
    # Imported here: drawing is all that needs it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cells = _unit(features.reshape(len(features), -1).T)
    mean, axes = principal_components(cells, 3)
    places = (cells - mean) @ axes
    low, high = np.percentile(places, [1, 99], axis=0)
    rgb = np.clip((places - low) / np.maximum(high - low, 1e-12), 0, 1)

    figure = Figure(figsize=(11.0, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(1, 3, width_ratios=[1, 1, 1.3])
    panels[0].imshow(picture, cmap="gray")
    panels[0].set_title("picture", fontsize=10)
    panels[1].imshow(rgb.reshape(*label.shape, 3))
    panels[1].set_title("features", fontsize=10)
    for panel in panels[:2]:
        panel.set_axis_off()
    some = slice(None, None, -(-len(cells) // MOST_POINTS))
    for index, name in enumerate(class_names):
        color = [value / 255 for value in palette[index]]
        own = places[some][label.ravel()[some] == index]
        stored = prototypes[index][prototypes[index].any(axis=-1)]
        stars = (_unit(stored) - mean) @ axes
        panels[2].plot(own[:, 0], own[:, 1], ".", color=color, alpha=0.3, markersize=3)
        panels[2].plot(stars[:, 0], stars[:, 1], "*", color=color, markersize=13,
                       markeredgecolor="white", label=name)  # fmt: skip
    panels[2].set_title("features (dots) and prototypes (stars)", fontsize=10)
    panels[2].set_xticks([])
    panels[2].set_yticks([])
    panels[2].legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, dpi=110, format="png")


def _unit(vectors: NDArray[Any]) -> NDArray[Any]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: NDArray[Any] = vectors / np.maximum(length, 1e-12)
    return unit

"""Scribbles made worse, to learn how much a method needs: shorter strokes, fewer strokes.

``shrink`` and ``drop`` are the two tests of Pan et al., "Scribble-supervised semantic segmentation
by uncertainty reduction on neural representation and self-supervision on neural eigenspace"
(URSS), ICCV 2021; their files are public, their generator is not. Usual values are 1, 0.5, 0.3, 0.1
and 0 for ``shrink``, 0.1 to 0.5 for ``drop``.

Every ratio draws its own random numbers: what is dropped at 0.1 need not be dropped at 0.2.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import cv2
import numpy as np

from scribbleseg.annotation.label_image import LabelImage
from scribbleseg.annotation.polyline import part
from scribbleseg.annotation.randomness import check_share, stroke_generator, surviving
from scribbleseg.annotation.region import (
    Bools,
    Floats,
    Region,
    check_label_array,
    connected_regions,
)
from scribbleseg.annotation.skeleton import Indices, SkeletonGraph, skeleton_graph
from scribbleseg.annotation.stroke import Stroke
from scribbleseg.errors import ConfigError, DataError

__all__ = ["Placement", "perturb", "perturb_strokes"]

Placement = Literal["random", "central"]


def perturb(
    scribble: LabelImage,
    *,
    shrink: float = 1.0,
    drop: float = 0.0,
    placement: Placement = "random",
    seed: int = 0,
    image_id: str = "",
    allow_losing_classes: bool = False,
    ignore_index: int = 255,
) -> LabelImage:
    """A scribble with shorter or fewer strokes; no pixel is drawn that was not drawn before.

    A stroke is an 8-connected region of one class. Strokes of a class that touch are one.

    Args:
        scribble: ``(H, W)`` class indices, uint8 or uint16; ``ignore_index`` where nothing is
            drawn.
        shrink: Share of each stroke's length that is kept, in one piece, 0..1; 0 leaves a spot as
            wide as the stroke. Of strokes with branches or loops it is the share of their total
            length around one place.
        drop: Probability that a stroke is removed, 0..1.
        placement: Whether the kept part lies anywhere or in the middle.
        seed: Of the whole dataset, 0 or more.
        image_id: The result depends on this id, and on no other picture.
        allow_losing_classes: Whether the last stroke of a class may be removed.
        ignore_index: Value of undrawn pixels.

    Returns:
        ``(H, W)`` class indices of the same type.

    Raises:
        ConfigError: A ratio is not in 0..1, or there is no such placement.
        DataError: The scribble is no label image.

    >>> perturb(np.full((1, 8), 4, np.uint8), shrink=0.5, placement="central")
    array([[255,   4,   4,   4,   4, 255, 255, 255]], dtype=uint8)
    """
    _check(shrink, drop, placement)
    check_label_array(scribble, image_id, ignore_index)
    found = connected_regions(scribble, ignore_index=ignore_index)
    strokes = [(index, region) for index, regions in found.items() for region in regions]
    ratios = _ratios(shrink, drop)
    generators = [
        stroke_generator(seed, image_id, *ratios, index, *region.first_pixel)
        for index, region in strokes
    ]
    stays = surviving(
        [rng.random() for rng in generators],
        [index for index, _ in strokes],
        drop,
        may_lose_classes=allow_losing_classes,
    )
    result = scribble.copy()
    for (_, region), rng, stay in zip(strokes, generators, stays, strict=True):
        if not stay:
            result[region.window][region.pixels] = ignore_index
        elif shrink < 1:
            removed = region.pixels & ~_shorter(region, shrink, placement, rng)
            result[region.window][removed] = ignore_index
    return result


def perturb_strokes(
    strokes: Sequence[Stroke],
    *,
    shrink: float = 1.0,
    drop: float = 0.0,
    placement: Placement = "random",
    seed: int = 0,
    image_id: str = "",
    allow_losing_classes: bool = False,
) -> tuple[Stroke, ...]:
    """Strokes made shorter or fewer, in their order.

    Args:
        strokes: Lines as they were drawn.
        shrink: Share of each line's length that is kept, in one piece, 0..1; 0 leaves a dot. A
            closed line becomes an open one.
        drop: Probability that a stroke is removed, 0..1.
        placement: Whether the kept part lies anywhere or in the middle.
        seed: Of the whole dataset, 0 or more.
        image_id: The result depends on this id, and on no other picture.
        allow_losing_classes: Whether the last stroke of a class may be removed.

    Raises:
        ConfigError: A ratio is not in 0..1, or there is no such placement.
        DataError: A filled area should become shorter.

    >>> line = Stroke("cat", np.array([[0.0, 0.0], [8.0, 0.0]]))
    >>> perturb_strokes([line], shrink=0.5, placement="central")[0].points.tolist()
    [[2.0, 0.0], [6.0, 0.0]]
    """
    _check(shrink, drop, placement)
    ratios = _ratios(shrink, drop)
    generators = [
        stroke_generator(
            seed,
            image_id,
            *ratios,
            zlib.crc32(stroke.class_name.encode()),
            zlib.crc32(stroke.points.tobytes()),
        )
        for stroke in strokes
    ]
    stays = surviving(
        [rng.random() for rng in generators],
        [stroke.class_name for stroke in strokes],
        drop,
        may_lose_classes=allow_losing_classes,
    )
    result = []
    for stroke, rng, stay in zip(strokes, generators, stays, strict=True):
        if stay and shrink < 1:
            result.append(_shorter_stroke(stroke, shrink, placement, rng, image_id))
        elif stay:
            result.append(stroke)
    return tuple(result)


def _check(shrink: float, drop: float, placement: str) -> None:
    check_share("shrink", shrink)
    check_share("drop", drop)
    if placement not in get_args(Placement):
        raise ConfigError(f"placement: {placement!r} is none of {', '.join(get_args(Placement))}")


def _ratios(shrink: float, drop: float) -> tuple[int, int]:
    """The ratios as a part of the generators' seed."""
    return round(shrink * 1_000_000), round(drop * 1_000_000)


def _shorter_stroke(
    stroke: Stroke, shrink: float, placement: Placement, rng: np.random.Generator, image_id: str
) -> Stroke:
    if stroke.filled:
        raise DataError(
            f"{image_id or 'strokes'}: an area of {stroke.class_name!r} is filled and has no "
            "length to shrink; rasterise the strokes and perturb the label image"
        )
    points = stroke.points
    if not len(points):  # files hold such strokes, too
        return stroke
    place = rng.random() if placement == "random" else 0.5
    if stroke.closed:
        # A loop is opened at this place, and the part in the middle is kept.
        loop = np.concatenate([points, points[:1]])
        points = np.concatenate([part(loop, 1 - place, 1.0), part(loop, place, 0.0)[1:]])
        place = 0.5
    return replace(stroke, points=part(points, shrink, place), closed=False)


def _shorter(
    region: Region, shrink: float, placement: Placement, rng: np.random.Generator
) -> Bools:
    """Which pixels of a stroke's cut-out are kept."""
    graph = skeleton_graph(region.pixels)
    center = _center(graph, shrink, placement, rng)
    # A part in one piece, whatever the shape: the pixels of the skeleton that are nearest to its
    # centre along the skeleton.
    order = graph.distances(center).argsort(kind="stable")
    share = graph.share[order]
    is_kept = np.zeros(len(order), bool)
    is_kept[order] = np.cumsum(share) - share / 2 <= shrink * share.sum()
    is_kept[center] = True
    if is_kept.all():
        return region.pixels

    # With a pixel of the skeleton go the pixels that are nearest to it, and those under the end of
    # a round brush.
    columns, rows = graph.points.astype(int).T
    to_kept = _distance_to(rows[is_kept], columns[is_kept], region)
    to_others = _distance_to(rows[~is_kept], columns[~is_kept], region)
    brush = region.depth(frame_is_outside=True)[rows[center], columns[center]]
    shorter = region.pixels & ((to_kept <= to_others) | (to_kept < brush))
    # Holes of a broad stroke can cut a part off that lies within the brush's reach.
    _, pieces = cv2.connectedComponents(shorter.astype(np.uint8), connectivity=8)
    one_piece: Bools = pieces == pieces[rows[center], columns[center]]
    return one_piece


def _center(
    graph: SkeletonGraph, shrink: float, placement: Placement, rng: np.random.Generator
) -> int:
    """The pixel of the skeleton around which a part is kept."""
    path = graph.longest_path()
    along = graph.distances(int(path[0]))[path]
    if placement == "central":
        return int(path[np.abs(along - along[-1] / 2).argmin()])
    # All places are equally likely at which the part does not reach beyond an end.
    to_end = np.full(len(graph.points), np.inf)
    for end in path[[0, -1]]:
        if graph.degree[end] == 1:
            to_end = np.minimum(to_end, graph.distances(int(end)))
    half = min(shrink * along[-1] / 2, to_end.max())
    return int(rng.choice(np.flatnonzero(to_end >= half)))


def _distance_to(rows: Indices, columns: Indices, region: Region) -> Floats:
    """Distance of every pixel of the cut-out to the nearest of these."""
    elsewhere = np.ones(region.pixels.shape, np.uint8)
    elsewhere[rows, columns] = 0
    distance = cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(distance, np.float64)

"""Scribbles simulated from masks, as a person might have drawn them.

For sets that have masks and no scribbles (ScribbleCOCO and ScribbleCityscapes were made so, by a
generator that is not public), and to learn what scribbles would have cost.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scribbleseg.annotation.label_image import LabelImage
from scribbleseg.annotation.randomness import stroke_generator, surviving
from scribbleseg.annotation.region import Bools, check_label_array, connected_regions
from scribbleseg.annotation.simulated_stroke import Target, painted, strokes_for
from scribbleseg.annotation.simulation_settings import Simulation
from scribbleseg.annotation.stroke import Stroke
from scribbleseg.annotation.stroke_path import central_point
from scribbleseg.errors import DataError

__all__ = ["simulate", "simulate_instances"]

MOST_INSTANCES = 65534
"""Their numbers, background and void are 16-bit labels."""


def simulate(
    mask: LabelImage,
    simulation: Simulation = Simulation(),
    *,
    seed: int = 0,
    variant: int = 0,
    image_id: str = "",
    ignore_index: int = 255,
) -> LabelImage:
    """A scribble for a mask; every 8-connected region of a class is taken for an object.

    Args:
        mask: ``(H, W)`` class indices, uint8 or uint16; ``ignore_index`` is void.
        simulation: How to draw.
        seed: Of the whole dataset, 0 or more.
        variant: Number of the scribble set, 0 or more. Sets of the styles ``longest``, ``point``
            and ``block`` differ only through ``jitter``, ``noise`` and ``drop``.
        image_id: The strokes depend on this id, and on no other picture.
        ignore_index: Value of void and of undrawn pixels.

    Returns:
        ``(H, W)`` class indices of the mask's type; ``ignore_index`` where nothing is drawn. If
        there is nothing to draw, that is everywhere, and a UserWarning says so.

    Raises:
        DataError: The mask is no label image.

    >>> simulate(np.array([[3, 3, 3, 3, 3, 255]], np.uint8), Simulation(width=1, min_area=0))
    array([[  3,   3,   3,   3,   3, 255]], dtype=uint8)
    """
    check_label_array(mask, image_id, ignore_index)
    regions = connected_regions(mask, ignore_index=ignore_index)
    if simulation.per == "class":
        targets = [Target(index, own) for index, own in regions.items()]
    else:
        targets = [Target(index, [one]) for index, own in regions.items() for one in own]
    return _scribble(mask, targets, simulation, ignore_index, image_id, (seed, variant))


def simulate_instances(
    instances: Bools,
    class_ids: Sequence[int],
    simulation: Simulation = Simulation(),
    *,
    void: Bools | None = None,
    seed: int = 0,
    variant: int = 0,
    image_id: str = "",
    ignore_index: int = 255,
) -> LabelImage:
    """A scribble for instance masks; what belongs to no instance is background, class 0.

    An instance may consist of several regions; its stroke lies in the largest one.

    Args:
        instances: ``(N, H, W)`` bool; where two overlap, the later one covers the earlier one.
        class_ids: Class of each instance, ``N`` numbers.
        simulation: How to draw.
        void: ``(H, W)`` bool, pixels on which nothing is drawn.
        seed: Of the whole dataset, 0 or more.
        variant: Number of the scribble set, 0 or more.
        image_id: The strokes depend on this id, and on no other picture.
        ignore_index: Value of void and of undrawn pixels.

    Returns:
        ``(H, W)`` class indices, uint8, or uint16 if ``ignore_index`` is above 255;
        ``ignore_index`` where nothing is drawn.

    Raises:
        DataError: The arrays do not fit together, or a class is no label.
    """
    where = image_id or "instances"
    if instances.ndim != 3 or instances.dtype != np.bool_ or len(instances) != len(class_ids):
        raise DataError(
            f"{where}: masks of shape {instances.shape}, {instances.dtype}, and {len(class_ids)} "
            "classes; expected (N, H, W) bool and N classes"
        )
    if len(instances) > MOST_INSTANCES:
        raise DataError(f"{where}: {len(instances)} instances; at most {MOST_INSTANCES} are drawn")
    most = 255 if ignore_index <= 255 else 65535
    for index in class_ids:
        if not 0 <= index <= most or index == ignore_index:
            raise DataError(f"{where}: {index} is no class of a label image with {ignore_index=}")

    # Number of the instance on top, from 1 on; background is 0, void has the number after the last.
    number = np.zeros(instances.shape[1:], np.uint16)
    for index, pixels in enumerate(instances, start=1):
        number[pixels] = index
    if void is not None:
        number[void] = len(instances) + 1
    class_of = np.array([0, *class_ids, ignore_index])
    labels = class_of[number]
    mask = labels.astype(np.uint8) if most == 255 else labels.astype(np.uint16)
    if simulation.per == "class":
        regions = connected_regions(mask, ignore_index=ignore_index)
        targets = [Target(index, own) for index, own in regions.items()]
    else:
        regions = connected_regions(number, ignore_index=len(instances) + 1)
        background = regions.pop(0, [])
        targets = [Target(0, [region]) for region in background]
        targets += [Target(int(class_of[index]), own) for index, own in regions.items()]
    return _scribble(mask, targets, simulation, ignore_index, image_id, (seed, variant))


def _scribble(
    mask: LabelImage,
    targets: Sequence[Target],
    simulation: Simulation,
    ignore_index: int,
    image_id: str,
    key: tuple[int, int],
) -> LabelImage:
    scribble = np.full_like(mask, ignore_index)
    if simulation.background == "none":
        targets = [target for target in targets if target.class_index != 0]
    if not targets:
        warnings.warn(f"{image_id or 'mask'}: no object to draw a stroke for", stacklevel=3)

    seed, variant = key
    classes = [target.class_index for target in targets]
    generators = [
        stroke_generator(seed, image_id, variant, target.class_index, *target.region.first_pixel)
        for target in targets
    ]
    stays = surviving([rng.random() for rng in generators], classes, simulation.drop)
    for target, rng, stay in zip(targets, generators, stays, strict=True):
        if not stay:
            continue
        region = target.region
        strokes = strokes_for(target, mask.size, simulation, rng)
        window, allowed = region.window, region.pixels
        if simulation.noise > 0:
            window, allowed = np.s_[:, :], mask != ignore_index
            shift = rng.normal(0, simulation.noise, 2) + np.array([region.column, region.row])
            strokes = [replace(stroke, points=stroke.points + shift) for stroke in strokes]
        drawn = allowed & painted(strokes, allowed.shape, simulation.width)
        if not drawn.any():
            # Jitter has pushed it out of a thin object, or noise out of the picture.
            window, allowed = region.window, region.pixels
            dot = Stroke("", central_point(region))
            drawn = allowed & painted([dot], allowed.shape, simulation.width)
        scribble[window][drawn] = target.class_index
    return scribble

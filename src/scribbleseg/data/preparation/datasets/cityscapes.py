"""Cityscapes, 19 classes.

::

    leftImg8bit/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png
    gtFine/<split>/<city>/<city>_<sequence>_<frame>_gtFine_labelIds.png

Splits train 2975, val 500 and test 1525, whose masks are kept back. Where the label images are
missing, they are drawn from ``_polygons.json``, or taken from ``_color.png``. Scribbles come from
``scribbleseg simulate``.
"""

from pathlib import Path

from scribbleseg.data.layouts.cityscapes import LAYOUT
from scribbleseg.data.preparation.cityscapes_files import find_scenes, scene_remarks
from scribbleseg.data.preparation.labelled_images import image_job
from scribbleseg.data.preparation.preparation import Options, Plan, Preparation

__all__ = ["PREPARATION"]


def plan(source: Path, options: Options) -> Plan:
    """What is made of Cityscapes."""
    scenes = find_scenes(source)
    classes = {name: index for index, name in enumerate(LAYOUT.class_names)}
    lists: dict[str, list[str]] = {}
    for scene in scenes:
        lists.setdefault(f"ImageSets/{scene.split}.txt", []).append(scene.name)
    jobs = [
        image_job(
            scene.name,
            scene.picture,
            f"{LAYOUT.images}/{scene.name}.png",
            scene.label_files(str(LAYOUT.masks), classes, LAYOUT.ignore_index),
            num_classes=len(classes),
        )
        for scene in scenes
    ]
    return Plan(layout=LAYOUT, lists=lists, jobs=jobs, remarks=tuple(scene_remarks(scenes)))


PREPARATION = Preparation(
    name="cityscapes",
    title="Cityscapes (19 classes)",
    source="leftImg8bit and gtFine",
    plan=plan,
)

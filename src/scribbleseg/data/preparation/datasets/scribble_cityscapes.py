"""ScribbleCityscapes: Cityscapes with the simulated scribbles of CSPNet, 9 classes.

The source is that of ``cityscapes``; the scribbles lie in it, or in the folder ``--scribbles``::

    cityscapes_scribble_{r1,r2,r3}/<id>.png      <id>_leftImg8bit.png is understood too

The authors simulated them from the instances of eight classes. Their masks and lists are not
public; here everything that is none of the eight is background, also what Cityscapes calls void,
and regions of several things ("cargroup") have their class.
"""

from dataclasses import replace
from pathlib import Path

from scribbleseg.data.layouts.scribble_cityscapes import LAYOUT
from scribbleseg.data.preparation.cityscapes_files import find_scenes, scene_remarks
from scribbleseg.data.preparation.labelled_images import image_job
from scribbleseg.data.preparation.preparation import Options, Plan, Preparation
from scribbleseg.data.preparation.production import Job
from scribbleseg.data.preparation.scribble_files import find_variants, scribble_remarks

__all__ = ["PREPARATION"]

VARIANT_FOLDERS = ("cityscapes_scribble_{}", "cityscape_scribble_{}")
GET_SCRIBBLES = "get them from github Zxl19990529/ScribbleSimulation, or simulate some"


def plan(source: Path, options: Options) -> Plan:
    """What is made of Cityscapes and these scribbles."""
    scenes = [scene for scene in find_scenes(source) if scene.mask is not None]
    variants = find_variants(source, options, VARIANT_FOLDERS, tail="_leftImg8bit")
    places = {variant: VARIANT_FOLDERS[0].format(variant) for variant in variants}
    layout = replace(LAYOUT, scribbles=next(iter(places.values()), LAYOUT.scribbles))
    classes = {name: index for index, name in enumerate(layout.class_names) if index > 0}
    lists: dict[str, list[str]] = {"train": [], "val": []}
    jobs: list[Job] = []
    for scene in scenes:
        lists[scene.split].append(scene.name)
        labels = scene.label_files(str(layout.masks), classes, 0)
        for variant, scribbles in variants.items():
            where = replace(layout, scribbles=places[variant])
            labels += scribbles.label_files(scene.name, where)
        picture = f"{layout.images}/{scene.name}.png"
        jobs.append(
            image_job(
                scene.name, scene.picture, picture, labels, num_classes=len(layout.class_names)
            )
        )
    first = next(iter(variants.values()), None)
    return Plan(
        layout=layout,
        lists={f"ImageSets/SegmentationAug/{split}.txt": ids for split, ids in lists.items()},
        jobs=jobs,
        settings={"scribbles": sorted(variants)},
        remarks=(
            *scene_remarks(scenes),
            *scribble_remarks(first, lists["train"], get=GET_SCRIBBLES),
        ),
    )


PREPARATION = Preparation(
    name="scribble_cityscapes",
    title="ScribbleCityscapes (background and 8 classes of instances)",
    source="leftImg8bit, gtFine and cityscapes_scribble_{r1,r2,r3}",
    plan=plan,
    takes=("scribbles", "variant"),
)

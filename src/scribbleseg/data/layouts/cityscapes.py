"""Cityscapes: street scenes of 50 cities, 2048 x 1024, 19 classes (the "train ids").

Lists ``train`` 2975, ``val`` 500 and ``test`` 1525, whose masks are kept back by the authors::

    images/<id>.png                   <city>_<sequence>_<frame>
    SegmentationClass/<id>.png        0..18, 255 void and the classes that are not scored
    scribbles/<id>.png                of your own, e.g. from 'scribbleseg simulate'
    ImageSets/<list>.txt
    tags.txt

There is no background class. M. Cordts et al., CVPR 2016; for non-commercial use, after
registration at cityscapes-dataset.com. ``scribbleseg prepare cityscapes`` makes this folder.
"""

from scribbleseg.data.layout import Layout

__all__ = ["LAYOUT"]

_CLASSES = (
    ("road", (128, 64, 128)),
    ("sidewalk", (244, 35, 232)),
    ("building", (70, 70, 70)),
    ("wall", (102, 102, 156)),
    ("fence", (190, 153, 153)),
    ("pole", (153, 153, 153)),
    ("traffic light", (250, 170, 30)),
    ("traffic sign", (220, 220, 0)),
    ("vegetation", (107, 142, 35)),
    ("terrain", (152, 251, 152)),
    ("sky", (70, 130, 180)),
    ("person", (220, 20, 60)),
    ("rider", (255, 0, 0)),
    ("car", (0, 0, 142)),
    ("truck", (0, 0, 70)),
    ("bus", (0, 60, 100)),
    ("train", (0, 80, 100)),
    ("motorcycle", (0, 0, 230)),
    ("bicycle", (119, 11, 32)),
)

LAYOUT = Layout(
    name="cityscapes",
    class_names=tuple(name for name, _ in _CLASSES),
    palette=tuple(color for _, color in _CLASSES),
    images="images",
    scribbles="scribbles",
    masks="SegmentationClass",
    image_suffixes=(".png",),
    tags="tags.txt",
)

"""ScribbleCityscapes: Cityscapes with the simulated scribbles of CSPNet, variant R1.

Nine classes: background and the eight that Cityscapes annotates instance by instance, in the order
of their ids. Variants R2 and R3 are other scribbles for the same pictures:
``--data.scribbles cityscapes_scribble_r2``::

    JPEGImages/<id>.png (or .jpg)
    SegmentationClassAug/<id>.png      0..8
    cityscapes_scribble_r1/<id>.png    0..8 drawn, 255 not labelled
    ImageSets/SegmentationAug/{train,val}.txt

X. Zhang et al., "Exploiting Inherent Class Label", arXiv 2503.13895 (github
Zxl19990529/ScribbleSimulation). Lists and masks of the authors are not public: those that
``scribbleseg prepare scribble_cityscapes`` writes are made from Cityscapes itself.
"""

from scribbleseg.data.layout import Layout
from scribbleseg.data.layouts import cityscapes

__all__ = ["LAYOUT"]

_INSTANCES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
_COLORS = dict(zip(cityscapes.LAYOUT.class_names, cityscapes.LAYOUT.palette, strict=True))

LAYOUT = Layout(
    name="scribble_cityscapes",
    class_names=("background", *_INSTANCES),
    palette=((0, 0, 0), *(_COLORS[name] for name in _INSTANCES)),
    images="JPEGImages",
    scribbles="cityscapes_scribble_r1",
    masks="SegmentationClassAug",
    image_suffixes=(".jpg", ".png"),
    tags="tags.txt",
    raster="simulated, as published",
)

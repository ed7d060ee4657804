"""PASCAL-Context, 59 classes and background, with the ScribbleSup scribbles as PNG.

Pictures of VOC 2010; lists ``train`` 4998, ``val`` 5105. Class 0 is every pixel of the other 400
classes and every unlabelled one: it is trained and scored, nothing is left out::

    JPEGImages/<id>.jpg
    SegmentationClass/<id>.png        0..59
    pascal_context_label/<id>.png     0..59 drawn, 255 not labelled
    ImageSets/Segmentation/<list>.txt
    tags.txt

The order of the classes is that of the scribbles' converter in BLPSeg (Wang et al., TIP 2023): the
20 of VOC first. Other toolkits sort the 59 by name; never mix predictions or class tables with
theirs. Context: R. Mottaghi et al., CVPR 2014; scribbles: D. Lin et al., ScribbleSup, CVPR 2016.
``scribbleseg prepare context`` makes this folder.
"""

from scribbleseg.annotation.label_image import voc_palette
from scribbleseg.data.layout import Layout
from scribbleseg.data.layouts import voc

__all__ = ["LAYOUT"]

LAYOUT = Layout(
    name="context",
    class_names=(
        *voc.LAYOUT.class_names,
        "bag",
        "bed",
        "bench",
        "book",
        "building",
        "cabinet",
        "ceiling",
        "cloth",
        "computer",
        "cup",
        "door",
        "fence",
        "floor",
        "flower",
        "food",
        "grass",
        "ground",
        "keyboard",
        "light",
        "mountain",
        "mouse",
        "curtain",
        "platform",
        "sign",
        "plate",
        "road",
        "rock",
        "shelves",
        "sidewalk",
        "sky",
        "snow",
        "bedclothes",
        "track",
        "tree",
        "truck",
        "wall",
        "water",
        "window",
        "wood",
    ),
    palette=tuple(voc_palette(60)),
    images="JPEGImages",
    scribbles="pascal_context_label",
    masks="SegmentationClass",
    image_suffixes=(".jpg",),
    tags="tags.txt",
    raster="reference-1px, width 1",
)

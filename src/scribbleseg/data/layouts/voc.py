"""PASCAL VOC 2012 with the augmented masks (SBD) and the ScribbleSup scribbles as PNG.

21 classes, background first, alphabetical. Lists: ``train`` 1464, ``val`` 1449
(``ImageSets/Segmentation``), ``trainaug`` 10582 images::

    JPEGImages/<id>.jpg
    SegmentationClassAug/<id>.png     0..20, 255 void rim
    pascal_2012_scribble/<id>.png     0..20 drawn, 255 not labelled
    ImageSets/{.,Segmentation,SegmentationAug}/<list>.txt

Some packages keep the 10582 ids in ``ImageSets/SegmentationAug/train.txt``: a list is looked for in
the order above, so that ``train`` means the 1464 where both are present. VOC: M. Everingham et al.,
IJCV 2010; SBD: B. Hariharan et al., ICCV 2011; scribbles: D. Lin et al., ScribbleSup, CVPR 2016.
Get VOC from its home page; flickr's terms of use apply to the pictures.
"""

from scribbleseg.annotation.label_image import voc_palette
from scribbleseg.data.layout import Layout

__all__ = ["LAYOUT"]

LAYOUT = Layout(
    name="voc",
    class_names=(
        "background",
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
    palette=tuple(voc_palette(21)),
    images="JPEGImages",
    scribbles="pascal_2012_scribble",
    masks="SegmentationClassAug",
    image_suffixes=(".jpg",),
    tags="tags.txt",
)

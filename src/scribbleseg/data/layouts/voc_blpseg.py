"""PASCAL VOC 2012 as BLPSeg keeps it: the VOCdevkit with the scribbles beside it.

Classes as in the layout ``voc``; lists ``train`` 1464, ``val`` 1449, ``trainaug`` 10582::

    VOC2012/JPEGImages/<id>.jpg
    VOC2012/SegmentationClassAug/<id>.png             0..20, 255 void rim
    VOC2012/ImageSets/Segmentation/<list>.txt
    scribble_annotation/pascal_2012/<id>.xml          ScribbleSup
    scribble_annotation/pascal_2012_label/<id>.png    0..20 drawn, 255 not labelled

The label images are drawn one pixel wide (raster rule ``reference-1px``), those of the layout
``voc`` three: results on the two are not comparable. BLPSeg: Wang et al., TIP 2023, github
YudeWang/BLPSeg.
"""

from dataclasses import replace

from scribbleseg.data.layouts import voc

__all__ = ["LAYOUT"]

LAYOUT = replace(
    voc.LAYOUT,
    name="voc_blpseg",
    images="VOC2012/JPEGImages",
    scribbles="scribble_annotation/pascal_2012_label",
    masks="VOC2012/SegmentationClassAug",
    lists={
        name: f"VOC2012/ImageSets/Segmentation/{name}.txt" for name in ("train", "val", "trainaug")
    },
    tags="tags.txt",
    raster="reference-1px, width 1",
)

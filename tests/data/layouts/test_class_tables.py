"""Class names, their order and their colours, against what the datasets themselves publish."""

import pytest

from scribbleseg.annotation.formats.scribblesup_xml import CONTEXT, VOC
from scribbleseg.annotation.label_image import voc_palette
from scribbleseg.data import layout_names, load_layout
from scribbleseg.data.layout import Layout
from scribbleseg.data.layouts import (
    acdc,
    cityscapes,
    coco,
    context,
    scribble_acdc,
    scribble_cityscapes,
    scribble_coco,
    voc,
    voc_blpseg,
    voc_pfa,
)

PUBLISHED = [name for name in layout_names() if name not in {"folder", "shapes"}]

CITYSCAPES = """
road 128 64 128, sidewalk 244 35 232, building 70 70 70, wall 102 102 156, fence 190 153 153,
pole 153 153 153, traffic light 250 170 30, traffic sign 220 220 0, vegetation 107 142 35,
terrain 152 251 152, sky 70 130 180, person 220 20 60, rider 255 0 0, car 0 0 142, truck 0 0 70,
bus 0 60 100, train 0 80 100, motorcycle 0 0 230, bicycle 119 11 32
"""
"""By train id, from the label table of cityscapesScripts."""

COCO = """
1 person, 2 bicycle, 3 car, 4 motorcycle, 5 airplane, 6 bus, 7 train, 8 truck, 9 boat,
10 traffic light, 11 fire hydrant, 13 stop sign, 14 parking meter, 15 bench, 16 bird, 17 cat,
18 dog, 19 horse, 20 sheep, 21 cow, 22 elephant, 23 bear, 24 zebra, 25 giraffe, 27 backpack,
28 umbrella, 31 handbag, 32 tie, 33 suitcase, 34 frisbee, 35 skis, 36 snowboard, 37 sports ball,
38 kite, 39 baseball bat, 40 baseball glove, 41 skateboard, 42 surfboard, 43 tennis racket,
44 bottle, 46 wine glass, 47 cup, 48 fork, 49 knife, 50 spoon, 51 bowl, 52 banana, 53 apple,
54 sandwich, 55 orange, 56 broccoli, 57 carrot, 58 hot dog, 59 pizza, 60 donut, 61 cake, 62 chair,
63 couch, 64 potted plant, 65 bed, 67 dining table, 70 toilet, 72 tv, 73 laptop, 74 mouse,
75 remote, 76 keyboard, 77 cell phone, 78 microwave, 79 oven, 80 toaster, 81 sink,
82 refrigerator, 84 book, 85 clock, 86 vase, 87 scissors, 88 teddy bear, 89 hair drier,
90 toothbrush
"""
"""Ids of the categories, from the annotation files."""

SCRIBBLESUP = """
background plane bike bird boat bottle bus car cat chair cow table dog horse motorbike person plant
sheep sofa train monitor bag bed bench book building cabinet ceiling cloth computer cup door fence
floor flower food grass ground keyboard light mountain mouse curtain platform sign plate road rock
shelves sidewalk sky snow bedclothes track tree truck wall water window wood
"""
"""Tags in the order of BLPSeg's converter."""

SHORT = {
    "plane": "aeroplane",
    "bike": "bicycle",
    "table": "diningtable",
    "plant": "pottedplant",
    "monitor": "tvmonitor",
}


def entries(text: str) -> list[str]:
    return " ".join(text.split()).split(", ")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_class_has_one_name_and_one_color(name: str, tmp_path: object) -> None:
    layout, _ = load_layout(name, str(tmp_path))
    assert layout.name == name
    assert len(set(layout.class_names)) == len(layout.class_names) == len(layout.palette)
    assert len(set(layout.palette)) == len(layout.palette)
    assert all(value in range(256) for color in layout.palette for value in color)
    assert layout.ignore_index == 255 >= len(layout.class_names)
    assert not any("," in one or "\t" in one for one in layout.class_names)  # as in tags.txt
    assert layout.tags == "tags.txt"


def test_coco_counts_its_categories_by_their_id() -> None:
    names = dict(entry.split(" ", 1)[::-1] for entry in entries(COCO))
    by_id = sorted(names, key=lambda name: int(names[name]))
    assert coco.LAYOUT.class_names == ("background", *by_id)
    assert len(by_id) == 80


def test_cityscapes_has_the_official_colors() -> None:
    table = [entry.rsplit(" ", 3) for entry in entries(CITYSCAPES)]
    assert cityscapes.LAYOUT.class_names == tuple(name for name, *_ in table)
    assert cityscapes.LAYOUT.palette == tuple(tuple(map(int, color)) for _, *color in table)
    instances = cityscapes.LAYOUT.class_names[11:]
    assert scribble_cityscapes.LAYOUT.class_names == ("background", *instances)
    assert scribble_cityscapes.LAYOUT.palette == ((0, 0, 0), *cityscapes.LAYOUT.palette[11:])


def test_context_has_the_order_of_its_scribbles() -> None:
    names = tuple(SHORT.get(tag, tag) for tag in SCRIBBLESUP.split())
    assert context.LAYOUT.class_names == names == CONTEXT.names
    assert context.LAYOUT.palette == CONTEXT.palette == tuple(voc_palette(60))
    assert voc.LAYOUT.class_names == names[:21] == VOC.names
    assert list(names[21:]) != sorted(names[21:])  # not alphabetical


@pytest.mark.parametrize(
    ("layout", "of"),
    [
        (voc_pfa.LAYOUT, voc.LAYOUT),
        (voc_blpseg.LAYOUT, voc.LAYOUT),
        (scribble_coco.LAYOUT, coco.LAYOUT),
        (scribble_acdc.LAYOUT, acdc.LAYOUT),
    ],
)
def test_repackaged_datasets_have_the_same_classes(layout: Layout, of: Layout) -> None:
    assert (layout.class_names, layout.palette) == (of.class_names, of.palette)
    assert layout.scribbles != of.scribbles or layout.masks != of.masks

"""MS COCO 2014: 80 classes of things and background, masks drawn from the instance annotations.

Class k is the k-th category by its id (which has gaps: ids end at 90). Lists ``train`` 82081 and
``val`` 40137: the pictures in which something is annotated::

    JPEGImages/<id>.jpg               COCO_train2014_000000000009, ...
    SegmentationClassAug/<id>.png     0..80
    scribbles/<id>.png                of your own, e.g. from 'scribbleseg simulate'
    ImageSets/SegmentationAug/<list>.txt
    tags.txt

T.-Y. Lin et al., ECCV 2014; annotations CC BY 4.0, flickr's terms of use apply to the pictures.
``scribbleseg prepare coco`` makes this folder; with the scribbles of CSPNet it is the layout
``scribble_coco``.
"""

from scribbleseg.annotation.label_image import voc_palette
from scribbleseg.data.layout import Layout

__all__ = ["LAYOUT"]

LAYOUT = Layout(
    name="coco",
    class_names=(
        "background",
        "person",
        "bicycle",
        "car",
        "motorcycle",
        "airplane",
        "bus",
        "train",
        "truck",
        "boat",
        "traffic light",
        "fire hydrant",
        "stop sign",
        "parking meter",
        "bench",
        "bird",
        "cat",
        "dog",
        "horse",
        "sheep",
        "cow",
        "elephant",
        "bear",
        "zebra",
        "giraffe",
        "backpack",
        "umbrella",
        "handbag",
        "tie",
        "suitcase",
        "frisbee",
        "skis",
        "snowboard",
        "sports ball",
        "kite",
        "baseball bat",
        "baseball glove",
        "skateboard",
        "surfboard",
        "tennis racket",
        "bottle",
        "wine glass",
        "cup",
        "fork",
        "knife",
        "spoon",
        "bowl",
        "banana",
        "apple",
        "sandwich",
        "orange",
        "broccoli",
        "carrot",
        "hot dog",
        "pizza",
        "donut",
        "cake",
        "chair",
        "couch",
        "potted plant",
        "bed",
        "dining table",
        "toilet",
        "tv",
        "laptop",
        "mouse",
        "remote",
        "keyboard",
        "cell phone",
        "microwave",
        "oven",
        "toaster",
        "sink",
        "refrigerator",
        "book",
        "clock",
        "vase",
        "scissors",
        "teddy bear",
        "hair drier",
        "toothbrush",
    ),
    palette=tuple(voc_palette(81)),
    images="JPEGImages",
    scribbles="scribbles",
    masks="SegmentationClassAug",
    image_suffixes=(".jpg",),
    tags="tags.txt",
)

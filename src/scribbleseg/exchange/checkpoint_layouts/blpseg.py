"""BLPSeg on VOC or PASCAL-Context: weights with a ``seg_head`` and a ``scribble_head``.

Wang et al., "BLPSeg: Balance the Label Preference in Scribble-Supervised Semantic Segmentation",
IEEE TIP 2023, github YudeWang/BLPSeg. The encoder has the names of timm's ``resnet101s``. Names of
PASCAL-Context's classes are those of the dataset layout ``context``; give them with ``--classes``.
"""

from scribbleseg.data.layouts.voc import LAYOUT as VOC
from scribbleseg.exchange.checkpoint_layout import CheckpointLayout, Dropped, Reading, Shapes
from scribbleseg.exchange.description import NetworkSpec, Picture

__all__ = ["LAYOUT"]

ENCODERS = {6: "tu-resnet50s", 23: "tu-resnet101s"}
"""Encoder by the number of blocks of ``layer3``."""

ENCODER = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")

SYNCHRONISED = Dropped("a sum from which the synchronised batch norm made its running statistics")


def read(shapes: Shapes) -> Reading:
    """Encoder, width, classes and channels."""
    blocks = len({key.split(".")[2] for key in shapes if key.startswith("backbone.layer3.")})
    if blocks not in ENCODERS:
        raise ValueError(f"layer3 has {blocks} blocks; a ResNet-50 has 6, a ResNet-101 has 23")
    arguments = {"encoder": ENCODERS[blocks], "channels": shapes["seg_head.0.weight"][0]}
    return Reading(
        NetworkSpec("AggregatedUPerNet", arguments),
        shapes["seg_head.4.weight"][0],
        shapes["backbone.conv1.0.weight"][1],
    )


LAYOUT = CheckpointLayout(
    name="blpseg",
    source="BLPSeg (IEEE TIP 2023)",
    required=(
        "backbone.conv1.0.weight",
        "seg_head.0.weight",
        "seg_head.4.weight",
        "scribble_head.4.weight",
    ),
    names={
        **{f"backbone.{part}.": f"encoder.model.{part}." for part in ENCODER},
        "backbone.layernorm.": Dropped("a norm that the network does not use"),
        # Their parts 0 are the poolings, without weights.
        **{f"ppm.stages.{n}.1.": f"pooling.branches.{n}.0." for n in range(4)},
        **{f"ppm.stages.{n}.2.": f"pooling.branches.{n}.1." for n in range(4)},
        "ppm.bottleneck.": "pooling.fusion.",
        "decoder.lateral_convs.": "decoder.laterals.",
        "decoder.fpn_convs.": "decoder.smoothing.",
        "decoder.fpn_bottleneck.": "decoder.fusion.",
        "seg_head.": "classifier.",
        "scribble_head.": "annotation_head.",
        "embed_proj.proj.": "aggregation.embedding.projection.",
        "embed_proj.norm.": "aggregation.embedding.norm.",
        "embed_proj.conv.": "aggregation.embedding.mixing.",
        "CELoss.weight": Dropped("the weights of the classes in a loss"),
        "distance_prob": Dropped("the aggregation's Gaussian, which is computed for each size"),
    },
    read=read,
    pictures={3: Picture()},
    class_names=VOC.class_names,
    palette=VOC.palette,
    endings={
        "._tmp_running_mean": SYNCHRONISED,
        "._tmp_running_var": SYNCHRONISED,
        "._running_iter": SYNCHRONISED,
    },
)

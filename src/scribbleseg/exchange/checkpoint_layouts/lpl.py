"""LPL on VOC: HybridNet, PseudoNet and the retrained network, which are one and the same form.

Wang et al., "Learning pseudo labels for semi-and-weakly supervised semantic segmentation", Pattern
Recognition 132, 2022, github YudeWang/Learning-Pseudo-Label. The encoder has the names of timm's
``resnet101s``. Which of the three it is, only the file's name says (``*_hybridnet.pth``, ...).
"""

from scribbleseg.data.layouts.voc import LAYOUT as VOC
from scribbleseg.exchange.checkpoint_layout import CheckpointLayout, Reading, Shapes
from scribbleseg.exchange.checkpoint_layouts.blpseg import ENCODER, ENCODERS
from scribbleseg.exchange.description import NetworkSpec, Picture

__all__ = ["LAYOUT"]


def read(shapes: Shapes) -> Reading:
    """Encoder, widths, classes and channels."""
    blocks = len({key.split(".")[2] for key in shapes if key.startswith("backbone.layer3.")})
    if blocks not in ENCODERS:
        raise ValueError(f"layer3 has {blocks} blocks; a ResNet-50 has 6, a ResNet-101 has 23")
    arguments = {
        "encoder": ENCODERS[blocks],
        "channels": shapes["cls_conv.weight"][1],
        "shortcut_channels": shapes["shortcut_conv.0.weight"][0],
    }
    return Reading(
        NetworkSpec("PlainDeepLab", arguments),
        shapes["cls_conv.weight"][0],
        shapes["backbone.conv1.0.weight"][1],
    )


LAYOUT = CheckpointLayout(
    name="lpl",
    source="LPL (Pattern Recognition 2022)",
    required=(
        "backbone.conv1.0.weight",
        "aspp.branch1.0.weight",
        "shortcut_conv.0.weight",
        "cls_conv.weight",
    ),
    names={
        **{f"backbone.{part}.": f"encoder.model.{part}." for part in ENCODER},
        **{f"aspp.branch{n + 1}.": f"aspp.branches.{n}." for n in range(4)},
        "aspp.branch5_conv.": "aspp.pooled.0.",
        "aspp.branch5_bn.": "aspp.pooled.1.",
        "aspp.conv_cat.": "aspp.fusion.",
        "shortcut_conv.": "shortcut.",
        # One row of modules, in which 2 and 5 are the ReLUs.
        "cat_conv.0.": "fusion.0.0.",
        "cat_conv.1.": "fusion.0.1.",
        "cat_conv.3.": "fusion.1.0.",
        "cat_conv.4.": "fusion.1.1.",
        "cls_conv.": "classifier.",
    },
    read=read,
    pictures={3: Picture()},
    class_names=VOC.class_names,
    palette=VOC.palette,
)

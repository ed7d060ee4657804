"""The DeepLab networks of CDSP, and DeepLabV3+ of CSPNet: weights whose head is ``layer_pred0``.

ResNet-50 or 101 with the head "DeepLabV2" or DeepLabV3+, with or without the localisation
rectification module, which is called ``layer_camatt`` or ``layer_lorm``. CDSP: "Scribble Hides
Class", AAAI 2024, arXiv 2402.17555, github Zxl19990529/Class-driven-Scribble-Promotion-Network.
CSPNet: arXiv 2503.13895, github Zxl19990529/CSP-Net; the names of its DeepLabV3+ are the same.
"""

from functools import partial

from scribbleseg.data.layouts.voc import LAYOUT as VOC
from scribbleseg.exchange.checkpoint_layout import CheckpointLayout, Dropped, Reading, Shapes
from scribbleseg.exchange.description import NetworkSpec, Picture

__all__ = ["LAYOUT", "deeplab_layout"]

DEPTHS = {6: 50, 23: 101}
"""Depth of the ResNet by the number of blocks of ``layer3``."""

ENCODER = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")

DECODER = {
    "reduce.": "decoder.reduction.",
    "fuse.0.": "decoder.fusion.0.0.",
    "fuse.1.": "decoder.fusion.0.1.",
    "fuse.3.": "decoder.fusion.1.0.",
    "fuse.4.": "decoder.fusion.1.1.",
    "classifier.": "decoder.classifier.",
}

RECTIFICATION = Dropped("the localisation rectification module, which takes part in training only")


def aspp_names(head: str) -> dict[str, str]:
    """The ASPP, which both heads have; the last convolution is called otherwise in each of them."""
    branches = range(4)
    return {
        **{f"{head}.aspp{n + 1}.atrous_conv.": f"aspp.branches.{n}.0." for n in branches},
        **{f"{head}.aspp{n + 1}.bn.": f"aspp.branches.{n}.1." for n in branches},
        f"{head}.global_avg_pool.1.": "aspp.pooled.0.",
        f"{head}.global_avg_pool.2.": "aspp.pooled.1.",
        f"{head}.conv1.": "aspp.fusion.0.",
        f"{head}.bn1.": "aspp.fusion.1.",
        f"{head}.prject.0.": "aspp.fusion.0.",
        f"{head}.prject.1.": "aspp.fusion.1.",
    }


def read(shapes: Shapes, head: str) -> Reading:
    """Depth, head, classes and channels."""
    blocks = len({key.split(".")[1] for key in shapes if key.startswith("layer3.")})
    if blocks not in DEPTHS:
        raise ValueError(f"layer3 has {blocks} blocks; a ResNet-50 has 6, a ResNet-101 has 23")
    has_decoder = "classifier.weight" in shapes
    arguments = {"depth": DEPTHS[blocks], "head": "v3plus" if has_decoder else "v2"}
    last = "classifier" if has_decoder else f"{head}.conv1"
    return Reading(
        NetworkSpec("MultiGridDeepLab", arguments),
        shapes[f"{last}.weight"][0],
        shapes["conv1.weight"][1],
    )


def deeplab_layout(name: str, source: str, head: str) -> CheckpointLayout:
    """The layout of the weights whose head has a certain name.

    Args:
        name: Name of the layout.
        source: Whose weights these are.
        head: Name of the ASPP in them.
    """
    return CheckpointLayout(
        name=name,
        source=source,
        required=("conv1.weight", f"{head}.aspp1.atrous_conv.weight"),
        names={
            **{f"{part}.": f"encoder.{part}." for part in ENCODER},
            **aspp_names(head),
            **DECODER,
            "layer_camatt.": RECTIFICATION,
            "layer_lorm.": RECTIFICATION,
        },
        read=partial(read, head=head),
        # The classes of the other datasets are not published.
        pictures={3: Picture()},
        class_names=VOC.class_names,
        palette=VOC.palette,
    )


LAYOUT = deeplab_layout(
    "cdsp_deeplab", "DeepLab of CDSP (AAAI 2024) or DeepLabV3+ of CSPNet", "layer_pred0"
)

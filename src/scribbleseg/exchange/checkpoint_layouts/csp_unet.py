"""The U-Net with which CSPNet is compared on ACDC: 64 .. 1024 channels, ReLU, 1x1 classifier.

Pictures are RGB, normalised as for ImageNet.

Names as in the well-known public U-Net of that size: ``inc``, ``down1`` .. ``down4``, ``up1`` (the
coarsest) .. ``up4``, ``outc``. Equal to ours for pictures whose sides 16 divides; at other sizes
the original pads its maps from level to level, ours the picture.
"""

from scribbleseg.exchange.checkpoint_layout import CheckpointLayout, Reading, Shapes
from scribbleseg.exchange.description import NetworkSpec, Picture

__all__ = ["LAYOUT"]

POOLINGS = range(1, 5)
INNER = {"0": "0", "1": "1", "3": "4", "4": "5"}
"""Convolutions and norms of a level; ours has a dropout between its two halves."""

LEVELS = {
    "inc.double_conv": "encoder.0",
    **{f"down{n}.maxpool_conv.1.double_conv": f"encoder.{n}" for n in POOLINGS},
    **{f"up{n}.conv.double_conv": f"decoder.{4 - n}" for n in POOLINGS},
}


def read(shapes: Shapes) -> Reading:
    """Widths, classes and channels."""
    first, *deeper = (
        shapes[f"{level}.0.weight"][:2] for level, ours in LEVELS.items() if "encoder" in ours
    )
    arguments = {
        "widths": [first[0], *(width for width, _ in deeper)],
        "activation": "relu",
        "classifier_kernel": 1,
    }
    return Reading(NetworkSpec("PlainUNet", arguments), shapes["outc.conv.weight"][0], first[1])


LAYOUT = CheckpointLayout(
    name="csp_unet",
    source="U-Net of the CSPNet code, trained on ACDC",
    required=(
        "outc.conv.weight",
        *(f"{level}.0.weight" for level, ours in LEVELS.items() if "encoder" in ours),
        *(f"up{n}.up.weight" for n in POOLINGS),
    ),
    names={
        **{
            f"{theirs}.{inner}.": f"{ours}.{own}."
            for theirs, ours in LEVELS.items()
            for inner, own in INNER.items()
        },
        **{f"up{n}.up.": f"up.{4 - n}." for n in POOLINGS},
        "outc.conv.": "classifier.",
    },
    read=read,
    # As for its other datasets. The order of the cardiac classes is not published.
    pictures={3: Picture()},
)

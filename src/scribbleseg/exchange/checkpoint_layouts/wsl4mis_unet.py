"""The 2-D U-Net of WSL4MIS (github HiLab-git/WSL4MIS, ``networks/unet.py``), trained on ACDC.

Grey slices scaled to [0, 1] and resized to 256 x 256. Its code asks for transposed convolutions
but does not pass that on to the decoder, so its weights have 1x1 convolutions and bilinear
interpolation there; weights of relatives that do pass it on are read as well. Of ``UNet_CCT``,
which has several decoders, the main one is taken: the one its test scripts use.
"""

from scribbleseg.data.layouts.acdc import LAYOUT as ACDC
from scribbleseg.exchange.checkpoint_layout import CheckpointLayout, Dropped, Reading, Shapes
from scribbleseg.exchange.description import NetworkSpec, Picture

__all__ = ["LAYOUT"]

POOLINGS = range(1, 5)
INNER = (0, 1, 4, 5)
"""Convolutions and norms of a level."""

ENCODER = {
    "encoder.in_conv.conv_conv": "encoder.0",
    **{f"encoder.down{n}.maxpool_conv.1.conv_conv": f"encoder.{n}" for n in POOLINGS},
}
DECODERS = ("decoder", "main_decoder")
"""The network has one of them."""

AUXILIARY = Dropped("a further decoder, which takes part in training only")


def read(shapes: Shapes) -> Reading:
    """Widths, classes and channels, and how the decoder enlarges."""
    first, *deeper = (shapes[f"{level}.0.weight"][:2] for level in ENCODER)
    (decoder,) = (name for name in DECODERS if f"{name}.out_conv.weight" in shapes)
    is_bilinear = f"{decoder}.up1.conv1x1.weight" in shapes
    arguments = {
        "widths": [first[0], *(width for width, _ in deeper)],
        "dropout": [0.05, 0.1, 0.2, 0.3, 0.5],
        "upsampling": "bilinear" if is_bilinear else "transposed",
        "conv_bias": True,
    }
    classes = shapes[f"{decoder}.out_conv.weight"][0]
    return Reading(NetworkSpec("PlainUNet", arguments), classes, first[1])


LAYOUT = CheckpointLayout(
    name="wsl4mis_unet",
    source="U-Net of WSL4MIS (Luo et al., MICCAI 2022), trained on ACDC",
    required=tuple(f"{level}.0.weight" for level in ENCODER),
    names={
        **{
            f"{theirs}.{inner}.": f"{ours}.{inner}."
            for theirs, ours in ENCODER.items()
            for inner in INNER
        },
        **{
            f"{decoder}.up{n}.conv.conv_conv.{inner}.": f"decoder.{4 - n}.{inner}."
            for decoder in DECODERS
            for n in POOLINGS
            for inner in INNER
        },
        **{f"{name}.up{n}.conv1x1.": f"up.{4 - n}.0." for name in DECODERS for n in POOLINGS},
        **{f"{name}.up{n}.up.": f"up.{4 - n}." for name in DECODERS for n in POOLINGS},
        **{f"{name}.out_conv.": "classifier." for name in DECODERS},
        "aux_decoder1.": AUXILIARY,
        "aux_decoder2.": AUXILIARY,
    },
    read=read,
    pictures={1: Picture("L", (0.0,), (1.0,), (256, 256))},
    class_names=ACDC.class_names,
    palette=ACDC.palette,
)

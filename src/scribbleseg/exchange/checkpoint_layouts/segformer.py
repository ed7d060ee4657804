"""SegFormer as its authors publish it (Xie et al., NeurIPS 2021, github NVlabs/SegFormer).

Weights whose parts are called ``backbone`` and ``decode_head``, with any of the encoders ``mit_b0``
to ``mit_b5``. They are under the NVIDIA Source Code License: for research and evaluation, not for
commercial use. Encoders alone (``mit_b1.pth``) need no conversion: networks take them as
``weights``.
"""

from collections.abc import Mapping
from functools import partial

from scribbleseg.data.layouts.cityscapes import LAYOUT as CITYSCAPES
from scribbleseg.exchange.checkpoint_layout import CheckpointLayout, Dropped, Reading, Shapes
from scribbleseg.exchange.description import NetworkSpec, Picture

__all__ = ["LAYOUT", "read_segformer", "segformer_names"]

ENCODERS: dict[tuple[int, tuple[int, ...]], str] = {
    (32, (2, 2, 2, 2)): "mit_b0",
    (64, (2, 2, 2, 2)): "mit_b1",
    (64, (3, 4, 6, 3)): "mit_b2",
    (64, (3, 4, 18, 3)): "mit_b3",
    (64, (3, 8, 27, 3)): "mit_b4",
    (64, (3, 6, 40, 3)): "mit_b5",
}
"""By the width of the first map and the blocks of each scale."""


def segformer_names(encoder: str, head: str) -> dict[str, str | Dropped]:
    """Our names of the parts.

    Args:
        encoder: Name of the encoder in the checkpoint.
        head: Name of the decoder in the checkpoint.
    """
    scales = range(1, 5)
    return {
        **{
            f"{encoder}.{part}{scale}.": f"encoder.{part}{scale}."
            for part in ("patch_embed", "block", "norm")
            for scale in scales
        },
        f"{encoder}.head.": Dropped("the encoder's classifier of ImageNet, which is not used"),
        **{f"{head}.linear_c{4 - n}.proj.": f"decoder.mlp_stage.{n}.linear." for n in range(4)},
        f"{head}.linear_fuse.conv.": "decoder.fuse_stage.0.",
        f"{head}.linear_fuse.bn.": "decoder.fuse_stage.1.",
        f"{head}.linear_pred.": "classifier.0.",
    }


def read_segformer(
    shapes: Shapes, encoder: str, head: str, arguments: Mapping[str, float]
) -> Reading:
    """Encoder, width of the decoder, classes and channels.

    Args:
        shapes: Of the checkpoint.
        encoder: Name of the encoder in it.
        head: Name of the decoder in it.
        arguments: Further arguments of the network, which shapes do not tell.

    Raises:
        ValueError: It is none of the published encoders.
    """
    width, in_channels, *_ = shapes[f"{encoder}.patch_embed1.proj.weight"]
    depths = tuple(
        len({key.split(".")[2] for key in shapes if key.startswith(f"{encoder}.block{scale}.")})
        for scale in range(1, 5)
    )
    if (width, depths) not in ENCODERS:
        raise ValueError(f"{depths} blocks from width {width} on are none of mit_b0 .. mit_b5")
    classes, channels, *_ = shapes[f"{head}.linear_pred.weight"]
    network = {"encoder": ENCODERS[width, depths], "decoder_channels": channels, **arguments}
    return Reading(NetworkSpec("Segformer", network), classes, in_channels)


LAYOUT = CheckpointLayout(
    name="segformer",
    source="SegFormer (NeurIPS 2021), NVIDIA Source Code License",
    required=("backbone.patch_embed1.proj.weight", "decode_head.linear_pred.weight"),
    names={
        **segformer_names("backbone", "decode_head"),
        "decode_head.conv_seg.": Dropped("a second classifier, which is not used"),
    },
    read=partial(
        read_segformer, encoder="backbone", head="decode_head", arguments={"dropout": 0.1}
    ),
    pictures={3: Picture()},
    # Of the other published ones, trained on ADE20K, the names are not part of this library.
    class_names=CITYSCAPES.class_names,
    palette=CITYSCAPES.palette,
)

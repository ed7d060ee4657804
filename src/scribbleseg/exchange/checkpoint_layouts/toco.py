"""ToCo (Ru et al., CVPR 2023, arXiv 2303.01267, github rulixiang/ToCo), with ViT-B or DeiT-B.

Both have the same encoder, trained before in another way. How many heads its blocks have cannot be
read from the weights; 12 is what was published. Pictures are normalised as for ImageNet.
"""

from scribbleseg.data.layouts.voc import LAYOUT as VOC
from scribbleseg.exchange.checkpoint_layout import CheckpointLayout, Dropped, Reading, Shapes
from scribbleseg.exchange.description import NetworkSpec, Picture

__all__ = ["LAYOUT"]

ENCODER = ("cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.")
WIDTH, BLOCKS = 768, 12

PROJECTION = Dropped("a projection head of the class tokens, which takes part in training only")


def read(shapes: Shapes) -> Reading:
    """Classes and channels."""
    blocks = len({key.split(".")[2] for key in shapes if key.startswith("encoder.blocks.")})
    width, in_channels, *_ = shapes["encoder.patch_embed.proj.weight"]
    if (width, blocks) != (WIDTH, BLOCKS):
        raise ValueError(
            f"{blocks} blocks of width {width}; published are {BLOCKS} blocks of width {WIDTH}"
        )
    return Reading(
        NetworkSpec("ToCoViT", {"encoder": "vit_base_patch16_224"}),
        shapes["decoder.conv8.weight"][0],
        in_channels,
    )


LAYOUT = CheckpointLayout(
    name="toco",
    source="ToCo (CVPR 2023) with ViT-B or DeiT-B",
    required=(
        "encoder.patch_embed.proj.weight",
        "decoder.conv8.weight",
        "aux_classifier.weight",
    ),
    names={
        **{f"encoder.{part}": f"encoder.{part}" for part in ENCODER},
        "encoder.head.": Dropped("the encoder's classifier of ImageNet, which is not used"),
        **{f"decoder.conv{6 + n}.": f"decoder.{2 * n}." for n in range(3)},
        "classifier.": "classifier.",
        "aux_classifier.": "aux_classifier.",
        "proj_head.": PROJECTION,
        "proj_head_t.": PROJECTION,
    },
    read=read,
    pictures={3: Picture()},
    class_names=VOC.class_names,
    palette=VOC.palette,
)

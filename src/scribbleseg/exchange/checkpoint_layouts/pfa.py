"""The SegFormer of PFA (ICML 2024, github TranquilChan/PFA), as its training script stores it.

The code is published without weights and without a licence. The memory of prototypes lies in a file
of its own and takes part in training only.
"""

from functools import partial

from scribbleseg.data.layouts.voc import LAYOUT as VOC
from scribbleseg.exchange.checkpoint_layout import CheckpointLayout, Dropped
from scribbleseg.exchange.checkpoint_layouts.segformer import read_segformer, segformer_names
from scribbleseg.exchange.description import Picture

__all__ = ["LAYOUT"]

LAYOUT = CheckpointLayout(
    name="pfa",
    source="SegFormer of PFA (ICML 2024)",
    required=("encoder.patch_embed1.proj.weight", "decoder.linear_pred.weight"),
    names={
        **segformer_names("encoder", "decoder"),
        "feature_aug.": Dropped("the augmentation block, which takes part in training only"),
    },
    read=partial(
        read_segformer,
        encoder="encoder",
        head="decoder",
        arguments={"last_stride": 1, "dropout": 0.1},
    ),
    pictures={3: Picture()},
    class_names=VOC.class_names,
    palette=VOC.palette,
)

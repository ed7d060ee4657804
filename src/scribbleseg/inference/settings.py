"""What is done at test time beside one pass of the network, and the published ways by name."""

from dataclasses import dataclass
from typing import Literal

from scribbleseg.errors import ConfigError

__all__ = ["PROTOCOLS", "Inference", "Protocol", "Refine"]

Combine = Literal["logits", "probability", "cdsp_order"]
Fusion = Literal["mean", "sum", "max"]
Refine = Literal["none", "par", "crf_toco", "crf_toco_cam", "crf_blpseg", "crf_deeplab"]
Protocol = Literal[
    "blpseg", "blpseg_crf", "cdsp_acdc", "cdsp_cityscapes", "cdsp_coco", "cdsp_voc", "lpl",
    "lpl_crf", "pfa_crop", "toco_coco", "toco_voc",
]  # fmt: skip


@dataclass(frozen=True)
class Inference:
    """How a picture becomes a label image.

    Args:
        scales: Factors by which the picture is resized, one view each.
        flip: Whether each view is also seen mirrored.
        long_side: Longer side of the view of scale 1, pixels; null for the picture's own.
        window: Height and width of the windows that slide over a view, pixels; smaller views are
            padded to it with the mean colour. Null passes each view as a whole.
        stride: From one window to the next, as a share of the window.
        windows_at_once: Windows that go through the network together.
        combine: What is averaged. ``logits``: logits at the picture's size; ``probability``:
            softmax at the picture's size; ``cdsp_order``: softmax in each window, before windows
            are averaged and before anything is resized (published evaluation of CDSP).
        over_flips: ``mean``, ``sum`` or ``max`` of a view and its mirrored twin. The sum, of logits
            alone, decides as the mean does, unless ``refine`` or a threshold makes probabilities of
            it.
        over_scales: ``mean``, ``sum`` or ``max`` over the scales.
        bicubic: Resize pictures by bicubic interpolation instead of bilinear.
        align_corners: Resize pictures (bilinear) and network outputs so that the centres of the
            corner pixels coincide, instead of the corners.
        round_sizes: Sides of a view are rounded ``nearest`` (half to even) or ``down``.
        resize_labels: Where the picture was resized before (``data.resize``), decide at that size
            and enlarge the label image, instead of enlarging the scores and deciding then.
        refine: What sharpens the scores at the network's input size before the decision: pixel-
            adaptive refinement (``par``), or the dense CRF of a preset.
        center: Height and width of the window in the middle of a picture, pixels, outside which
            nothing is decided and ``validate`` counts nothing; null for whole pictures.
        tile: Pictures with a longer side than this are cut into tiles of this side (plus a margin
            that is thrown away), pixels, so that memory stays bounded.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    long_side: int | None = None
    window: tuple[int, int] | None = None
    stride: float = 2 / 3
    windows_at_once: int = 8
    combine: Combine = "logits"
    over_flips: Fusion = "mean"
    over_scales: Fusion = "mean"
    bicubic: bool = False
    align_corners: bool = False
    round_sizes: Literal["nearest", "down"] = "nearest"
    resize_labels: bool = False
    refine: Refine = "none"
    center: tuple[int, int] | None = None
    tile: int = 2048

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigError: A value is out of its range.
        """
        positive = {
            "scales": min(self.scales, default=0.0),
            "long_side": 1 if self.long_side is None else self.long_side,
            "window": 1 if self.window is None else min(self.window),
            "center": 1 if self.center is None else min(self.center),
            "windows_at_once": self.windows_at_once,
        }
        for name, value in positive.items():
            if value <= 0:
                raise ConfigError(
                    f"inference.{name}: {getattr(self, name)!r} must be positive and not empty"
                )
        if self.combine != "logits" and "sum" in (self.over_flips, self.over_scales):
            raise ConfigError(
                f"inference.combine: {self.combine}, but sums of probabilities are none; take mean "
                "or max over flips and scales, or combine logits"
            )
        if not 0 < self.stride <= 1:
            raise ConfigError(f"inference.stride: {self.stride} must be above 0 and at most 1")
        if self.tile < 256:
            raise ConfigError(f"inference.tile: {self.tile} must be at least 256 pixels")

    @property
    def is_plain(self) -> bool:
        """Whether one pass of the network at the given size is all there is."""
        return (self.scales, self.flip, self.long_side, self.window) == ((1.0,), False, None, None)


SEVEN = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
EIGHT = (0.25, *SEVEN)
FOUR = (0.5, 0.75, 1.0, 1.25)

PROTOCOLS: dict[Protocol, Inference] = {
    # CDSP, CSPNet: crops 465 or 512 with two thirds of their size as stride, no mirror image
    "cdsp_voc": Inference(SEVEN, long_side=512, window=(465, 465), combine="cdsp_order"),
    "cdsp_cityscapes": Inference(EIGHT, long_side=2048, window=(512, 512), combine="cdsp_order"),
    "cdsp_acdc": Inference(EIGHT, long_side=512, window=(512, 512), combine="cdsp_order"),
    # to be used with data.resize [512, 512]
    "cdsp_coco": Inference(
        SEVEN, flip=True, align_corners=True, round_sizes="down", resize_labels=True
    ),
    # BLPSeg; its shipped VOC configuration turns the CRF on, its table is without
    "blpseg": Inference(FOUR, flip=True, bicubic=True, align_corners=True),
    "blpseg_crf": Inference(FOUR, flip=True, bicubic=True, align_corners=True, refine="crf_blpseg"),
    # LPL: with tags in stage 1 (data.evaluation_tags), CRF in stage 2
    "lpl": Inference((*FOUR, 1.5), flip=True, bicubic=True, align_corners=True),
    "lpl_crf": Inference(
        (*FOUR, 1.5), flip=True, bicubic=True, align_corners=True, refine="crf_blpseg"
    ),
    # validation during the training of PFA: no score of whole pictures, and for its two augmented
    # predictions an oracle (data.evaluation_tags mask)
    "pfa_crop": Inference(window=(320, 320), center=(320, 320)),
    # the decoder of ToCo; sums, as the CRF's unary is their softmax
    "toco_voc": Inference(
        (1.0, 1.25, 1.5),
        flip=True,
        over_flips="sum",
        over_scales="max",
        round_sizes="down",
        refine="crf_deeplab",
    ),
    "toco_coco": Inference(
        (1.0, 1.25, 1.5),
        flip=True,
        over_flips="max",
        over_scales="sum",
        round_sizes="down",
        refine="crf_deeplab",
    ),
}
"""Published evaluations by name."""

"""ToCo, promoted by scribbles: activation maps of a classifier, the first stage of CSPNet.

Ru et al., "Token Contrast for Weakly-Supervised Semantic Segmentation", CVPR 2023, arXiv
2303.01267; scribbles as in CSPNet, "Exploiting Inherent Class Label", 2025. A vision transformer
learns from the names of what is in a picture; where it looks while it decides becomes a label.
Left alone, its last blocks make all tokens alike. So:

* classification, by the tokens of the last block and by those of an earlier one;
* patch token contrast: which patches belong together is read from the earlier, sharper maps;
* class token contrast: what a small crop shows is like the whole picture if the maps call the crop
  uncertain, and unlike it if they call it background;
* a small decoder learns the strokes (CSPNet), or labels refined from the maps (ToCo), or both.

``pseudolabel`` writes the labels of the maps, or of the decoder.

======================= ========= ====== ========================================================
hyper-parameter         published ours   meaning
======================= ========= ====== ========================================================
patch_contrast_weight   0.2       0.2
class_contrast_weight   0.5       0.5
scribble_weight         not known 0.1    of the strokes' cross entropy (CSPNet); 0 is plain ToCo
cam_seg_weight          0.1       0      of the refined labels' cross entropy (ToCo: 0.1)
contrast_start          0, 12001  0      step from which on tokens are contrasted (VOC, COCO)
cam_seg_start           2001, 8001 2001  step from which on refined labels are learned
low, high               0.25, 0.7 same   activation up to which a pixel is background, and above
                                         which it is an object (COCO: 0.25, 0.65)
temperature             0.5, 1    0.5    of class token contrast (VOC, COCO)
local_crops             8 x 96    same   number and side of the crops, pixels
teacher_momentum        0.9       0.9    of the projection that makes targets
======================= ========= ====== ========================================================

ToCo's dense energy loss (weight 0.05) is left out.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.annotation.id_list import some
from scribbleseg.data.sample import Batch, EvaluationBatch
from scribbleseg.data.tags import LabelTagSource
from scribbleseg.errors import ConfigError, DataError
from scribbleseg.inference import CamLabels, Decision, cam_decisions
from scribbleseg.inference.activation_map import (
    SCALES,
    multi_scale_cam,
    refined_label,
    region_map,
    three_level_label,
)
from scribbleseg.losses import (
    balanced_cross_entropy,
    class_token_contrast,
    partial_cross_entropy,
    patch_token_contrast,
)
from scribbleseg.losses.precision import at_least_float32
from scribbleseg.methods.base import SegmentationTask, Terms
from scribbleseg.networks import ToCoViT
from scribbleseg.networks.projection_head import ProjectionHead

__all__ = ["ToCo", "uncertain_crops"]

BACKGROUND_SHARE = 0.2
"""Mean of a region map up to which a crop shows background only."""


class ToCo(SegmentationTask):
    """Classification with patch and class token contrast, and a decoder for strokes.

    Args:
        patch_contrast_weight: Weight of the patch token contrast.
        class_contrast_weight: Weight of the class token contrast, which needs the views of
            ``scribbleseg.data.views.Views``.
        scribble_weight: Weight of the strokes' cross entropy.
        cam_seg_weight: Weight of the cross entropy on labels refined from the maps.
        contrast_start: Step from which on tokens are contrasted; until then refined labels come
            from the auxiliary maps.
        cam_seg_start: Step from which on refined labels are learned.
        low: Activation up to which a pixel is background, 0..1.
        high: Activation above which a pixel is an object, 0..1.
        temperature: Of the class token contrast.
        local_crops: Number of local crops of a picture.
        local_size: Their side, pixels; the network's patch size divides it.
        teacher_momentum: Share of itself that the teacher's projection keeps in a step.
        projection: Widths of the projection: hidden, bottleneck, output.
        labels_from: What ``pseudolabel`` writes: labels of the activation maps, or the decoder's.
        cam_labels: How maps become labels.
        harness: Options of `SegmentationTask`. The network is a `ToCoViT`.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"scribble", "tags", "views"})
    needs: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        *,
        patch_contrast_weight: float = 0.2,
        class_contrast_weight: float = 0.5,
        scribble_weight: float = 0.1,
        cam_seg_weight: float = 0.0,
        contrast_start: int = 0,
        cam_seg_start: int = 2001,
        low: float = 0.25,
        high: float = 0.7,
        temperature: float = 0.5,
        local_crops: int = 8,
        local_size: int = 96,
        teacher_momentum: float = 0.9,
        projection: tuple[int, int, int] = (2048, 256, 1024),
        labels_from: Literal["cam", "decoder"] = "cam",
        cam_labels: CamLabels = CamLabels(),
        **harness: Any,
    ) -> None:
        super().__init__(**harness)
        if not isinstance(self.net, ToCoViT):
            raise ConfigError(
                f"model.network: {type(self.net).__name__} has no class token and no activation "
                "maps; ToCo takes scribbleseg.networks.ToCoViT"
            )
        self.weights = {
            "patch_contrast": patch_contrast_weight,
            "class_contrast": class_contrast_weight,
            "scribble_ce": scribble_weight,
            "cam_seg_ce": cam_seg_weight,
        }
        if min(self.weights.values()) < 0:
            raise ConfigError(f"model: weights are {self.weights}; expected 0 or more")
        if not 0 <= low <= high <= 1:
            raise ConfigError(f"model: low {low} and high {high}; expected 0 <= low <= high <= 1")
        if local_crops < 1 or local_size < 1 or local_size % self.net.stride:
            raise ConfigError(
                f"model: {local_crops} local crops of {local_size} pixels; expected at least one, "
                f"its side a multiple of the patch size, {self.net.stride}"
            )
        self.contrast_start, self.cam_seg_start = contrast_start, cam_seg_start
        self.low, self.high, self.temperature = low, high, temperature
        self.local_crops, self.local_size = local_crops, local_size
        self.teacher_momentum = teacher_momentum
        self.labels_from, self.cam_labels = labels_from, cam_labels
        self.student, self.teacher = (
            ProjectionHead(
                self.net.semantic_channels,
                hidden_channels=projection[0],
                bottleneck_channels=projection[1],
                out_channels=projection[2],
            )
            for _ in range(2)
        )
        self.teacher.load_state_dict(self.student.state_dict())
        self.teacher.requires_grad_(requires_grad=False)

    def check_supervision(self, brings: frozenset[str]) -> None:
        """Refuse training without what a term asks for; terms of weight 0 ask for nothing.

        Raises:
            ConfigError: As the base; or something is missing.
        """
        super().check_supervision(brings)
        if self.weights["class_contrast"] and "views" not in brings:
            raise ConfigError(
                "ToCo: class token contrast compares views of a picture; wrap data.transforms in "
                "scribbleseg.data.views.Views, or set --model.class_contrast_weight 0"
            )
        if self.weights["scribble_ce"] and not brings & {"scribble", "mask"}:
            raise ConfigError(
                "ToCo: no training image brings a scribble; to learn from tags alone, set "
                "--model.scribble_weight 0 --model.cam_seg_weight 0.1"
            )

    def training_loss(self, batch: Batch) -> tuple[Terms, Tensor]:
        """The terms of this step whose weight is not 0."""
        net = self.net
        assert isinstance(net, ToCoViT)
        image, tags, present = batch["image"], batch["tags"], (batch["tags"][:, 1:] > 0).float()
        tokens = net.tokens(image)
        class_logits, aux_logits = net.classify(tokens)
        logits = net.upsample(net.segment(tokens.patches), image)
        terms = {
            "classification": F.multilabel_soft_margin_loss(
                at_least_float32(class_logits), present
            ),
            "aux_classification": F.multilabel_soft_margin_loss(
                at_least_float32(aux_logits), present
            ),
        }
        self._update_teacher()
        # Terms come and go; several processes wait for a gradient of every weight.
        idle = [logits, *self.student.parameters()]
        terms["classification"] = terms["classification"] + 0 * sum(part.mean() for part in idle)
        if self.weights["scribble_ce"]:
            terms["scribble_ce"] = self.weights["scribble_ce"] * partial_cross_entropy(
                logits, batch["scribble"], ignore_index=self.ignore_index
            )
        contrasts = self.global_step >= self.contrast_start
        refines = self.weights["cam_seg_ce"] > 0 and self.global_step >= self.cam_seg_start
        if not (contrasts or refines):
            return terms, logits

        cam, aux_cam = multi_scale_cam(net.activation_maps, image, scales=SCALES, stride=net.stride)
        level: dict[str, Any] = {"low": self.low, "high": self.high}
        known: dict[str, Any] = {"valid": batch["valid"], "ignore_index": self.ignore_index}
        if contrasts and self.weights["patch_contrast"]:
            grid = (tokens.patches.shape[-2], tokens.patches.shape[-1])
            valid = F.interpolate(batch["valid"][:, None].float(), grid, mode="nearest-exact")
            label = three_level_label(
                F.interpolate(aux_cam, grid, mode="bilinear"),
                tags,
                **level,
                valid=valid[:, 0] > 0,
                ignore_index=self.ignore_index,
            )
            terms["patch_contrast"] = self.weights["patch_contrast"] * patch_token_contrast(
                tokens.patches, label, ignore_index=self.ignore_index
            )
        if contrasts and self.weights["class_contrast"]:
            regions = region_map(aux_cam, tags, **level)
            terms["class_contrast"] = self.weights["class_contrast"] * self._class_contrast(
                batch, tokens.class_token, regions
            )
        if refines:
            # Its affinities are relative to the spread of colours, so that normalised ones do.
            label = refined_label(image, cam if contrasts else aux_cam, tags, **level, **known)
            terms["cam_seg_ce"] = self.weights["cam_seg_ce"] * balanced_cross_entropy(
                logits, label, ignore_index=self.ignore_index
            )
        return terms, logits

    def _class_contrast(self, batch: Batch, class_token: Tensor, regions: Tensor) -> Tensor:
        """Two global views, the training picture itself being one, against local crops."""
        assert isinstance(self.net, ToCoViT)
        crops, positive = uncertain_crops(
            batch["recolored"], regions, count=self.local_crops, size=self.local_size
        )
        other = self.net.tokens(batch["other_view"]).class_token
        everything = torch.cat([class_token, other, self.net.tokens(crops).class_token])
        target = self.teacher(everything[: 2 * len(class_token)].detach())
        return class_token_contrast(
            self.student(everything),
            target,
            F.pad(positive, (2, 0), value=True),
            temperature=self.temperature,
        )

    @torch.no_grad()
    def _update_teacher(self) -> None:
        """In every step, as published, also while tokens are not contrasted yet."""
        for slow, fast in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.teacher_momentum)

    def label_settings(self) -> dict[str, Any]:
        """What, beside the weights, decides over the labels that ``pseudolabel`` writes."""
        cam_labels = {"labels_from": self.labels_from, "cam_labels": asdict(self.cam_labels)}
        return {**super().label_settings(), **cam_labels}

    def check_tags(self, source: LabelTagSource, untagged: Sequence[str]) -> None:
        """Refuse labels of activation maps where the classes of an image are not known.

        Raises:
            ConfigError: No tags are asked for.
            DataError: Nothing is known of an image.
        """
        if self.labels_from == "decoder":
            return
        if source == "none":
            raise ConfigError(
                "--tags: none, but activation maps need the classes of each image; take "
                "training, scribble or file, or --model.labels_from decoder"
            )
        if untagged:
            raise DataError(
                "activation maps need the classes of each image, but nothing tells those of "
                f"{some(untagged)}; draw strokes, name them in the dataset's file of tags or in "
                "--data.tags FILE, or set --model.labels_from decoder"
            )

    def predict_step(self, batch: EvaluationBatch, batch_idx: int) -> dict[str, list[Decision]]:
        """Predictions are the decoder's; pseudo labels are those of ``labels_from``."""
        if not self.wants_confidence or self.labels_from == "decoder":
            return super().predict_step(batch, batch_idx)
        assert isinstance(self.net, ToCoViT)
        return {
            "decisions": cam_decisions(
                self._activation_maps,
                batch["image"],
                batch["size"],
                batch["normalise"],
                batch["tags"],
                self.cam_labels,
                stride=self.net.stride,
            )
        }

    def _activation_maps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Of a network of any precision, in float32 at least."""
        assert isinstance(self.net, ToCoViT)
        maps = self.net.activation_maps(image.to(self.dtype))
        return at_least_float32(maps[0]), at_least_float32(maps[1])


def uncertain_crops(
    pictures: Tensor, regions: Tensor, *, count: int, size: int
) -> tuple[Tensor, Tensor]:
    """Small crops, inside the picture, around random pixels that are no certain object.

    Args:
        pictures: ``(B, C, H, W)``.
        regions: ``(B, H, W)``: 0 background, 1 uncertain, 2 certain objects.
        count: Crops of each picture.
        size: Side in pixels.

    Returns:
        Crops ``(count * B, C, size, size)``, crop by crop, and ``(B, count)`` bool: False where
        a crop is background only (the mean of its regions is 0.2 at most).

    Raises:
        ConfigError: A crop is larger than the pictures.
    """
    height, width = regions.shape[-2:]
    tops, lefts, half = height - size + 1, width - size + 1, size // 2
    if tops < 1 or lefts < 1:
        raise ConfigError(
            f"model.local_size: {size}, but training pictures are {width}x{height} pixels; take "
            "smaller crops"
        )
    crops: list[list[Tensor]] = [[] for _ in range(count)]
    positive = []
    for picture, region in zip(pictures, regions, strict=True):
        centres = (region[half : half + tops, half : half + lefts] <= 1).flatten().float()
        if not centres.any():
            centres = torch.ones_like(centres)
        places = torch.multinomial(centres, count, replacement=True).tolist()
        for same_crop, place in zip(crops, places, strict=True):
            top, left = divmod(place, lefts)
            window = (slice(top, top + size), slice(left, left + size))
            same_crop.append(picture[:, window[0], window[1]])
            positive.append(region[window].float().mean() > BACKGROUND_SHARE)
    stacked = torch.stack([crop for same_crop in crops for crop in same_crop])
    return stacked, torch.stack(positive).view(len(pictures), count)

"""From a batch of pictures to label images: views, refinement, tags, decision."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from scribbleseg.data.normalisation import Normalisation
from scribbleseg.inference.par import par
from scribbleseg.inference.settings import Inference, Refine
from scribbleseg.inference.views import Network, fuse_views, views

__all__ = ["Decision", "par_half_size", "predict", "refined_scores", "resized", "tiles"]

BAND_VALUES = 1 << 25
"""Scores that are enlarged at a time, about 130 MB."""

MARGIN = 256
"""Pixels around a tile that the network sees and that are thrown away."""


@dataclass(frozen=True)
class Decision:
    """What was decided for one picture, on the host.

    Args:
        label: ``(H, W)``, uint8, or int32 above 255 classes.
        confidence: ``(H, W)`` uint8, the probability of the decision times 255, rounded; None
            unless asked for.
    """

    label: Tensor
    confidence: Tensor | None = None


def predict(
    net: Network,
    images: Tensor,
    sizes: Sequence[tuple[int, int]],
    normalise: Normalisation,
    how: Inference,
    *,
    tags: Tensor | None = None,
    confidence: bool = False,
) -> list[Decision]:
    """Label images of a batch.

    Pictures with a side above ``how.tile`` are predicted in tiles; beyond the picture and the
    result nothing of their size is held.

    Args:
        net: ``(B, C, h, w)`` normalised pictures to ``(B, K, h, w)`` logits.
        images: ``(B, C, h, w)`` uint8.
        sizes: Height and width of each result.
        normalise: Makes the network's input.
        how: What is done.
        tags: ``(B, K)``, above 0 for classes that may be decided for; None for all.
        confidence: Whether the confidence is wanted as well.
    """
    if how.center is not None:
        return _predict_middle(net, images, sizes, normalise, how, tags, confidence)
    if max(images.shape[-2:]) <= how.tile:
        return _predict(net, images, sizes, normalise, how, tags, confidence)
    if how.long_side is not None:  # of the picture, not of a tile
        factor = how.long_side / max(images.shape[-2:])
        scales = tuple(scale * factor for scale in how.scales)
        how = replace(how, long_side=None, scales=scales)
    decisions = []
    for index, size in enumerate(sizes):
        label, sure = None, None
        own_tags = None if tags is None else tags[index : index + 1]
        for outer, inner, place in tiles(images.shape[-2:], how.tile):
            tile = images[index : index + 1, :, outer[0], outer[1]]
            (part,) = _predict(
                net, tile, [(tile.shape[-2], tile.shape[-1])], normalise, how, own_tags, confidence
            )
            if label is None:
                label = part.label.new_empty(images.shape[-2:])
                sure = label.new_empty(label.shape, dtype=torch.uint8) if confidence else None
            label[place] = part.label[inner]
            if sure is not None and part.confidence is not None:
                sure[place] = part.confidence[inner]
        assert label is not None
        decisions.append(resized(Decision(label, sure), size))
    return decisions


def middle(size: Sequence[int], window: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of the window in the middle of a picture, as far as the picture goes.

    >>> middle((5, 9), (7, 4))
    (slice(0, 5, None), slice(2, 6, None))
    """
    lengths = [min(pair) for pair in zip(size, window, strict=True)]
    first = [(whole - part) // 2 for whole, part in zip(size, lengths, strict=True)]
    rows, columns = (slice(f, f + n) for f, n in zip(first, lengths, strict=True))
    return rows, columns


def tiles(
    size: Sequence[int], side: int, margin: int = MARGIN
) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice], tuple[slice, slice]]]:
    """Cut a picture into tiles.

    Args:
        size: Height and width of the picture.
        side: Side of the tiles without their margin, pixels.
        margin: Pixels around each tile, where the picture has them.

    Yields:
        Rows and columns of the tile with its margin in the picture; of the tile in that part; of
        the tile in the picture.
    """
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            corner, end = (top, left), (min(top + side, size[0]), min(left + side, size[1]))
            first = [max(start - margin, 0) for start in corner]
            last = [min(stop + margin, length) for stop, length in zip(end, size, strict=True)]
            yield (
                (slice(first[0], last[0]), slice(first[1], last[1])),
                (
                    slice(top - first[0], end[0] - first[0]),
                    slice(left - first[1], end[1] - first[1]),
                ),
                (slice(top, end[0]), slice(left, end[1])),
            )


def _predict_middle(
    net: Network,
    images: Tensor,
    sizes: Sequence[tuple[int, int]],
    normalise: Normalisation,
    how: Inference,
    tags: Tensor | None,
    confidence: bool,
) -> list[Decision]:
    assert how.center is not None
    place = middle(images.shape[-2:], how.center)
    part = images[..., place[0], place[1]]
    decisions = predict(
        net,
        part,
        [(part.shape[-2], part.shape[-1])] * len(sizes),
        normalise,
        replace(how, center=None),
        tags=tags,
        confidence=confidence,
    )
    return [
        resized(_framed(decision, images.shape[-2:], place), size)
        for decision, size in zip(decisions, sizes, strict=True)
    ]


def _predict(
    net: Network,
    images: Tensor,
    sizes: Sequence[tuple[int, int]],
    normalise: Normalisation,
    how: Inference,
    tags: Tensor | None,
    confidence: bool,
) -> list[Decision]:
    here = (images.shape[-2], images.shape[-1])
    # Refinement looks at the picture's pixels, which are there at the network's size only.
    stays = how.refine != "none" or how.resize_labels or how.is_plain
    fused = fuse_views(
        views(net, normalise(images), how), [here] * len(sizes) if stays else sizes, how
    )
    decisions = []
    for index, (scores, size) in enumerate(zip(fused, sizes, strict=True)):
        own_tags = None if tags is None else tags[index]
        is_probability = how.combine != "logits"
        if how.refine != "none":
            prob = scores if is_probability else scores.softmax(dim=0)
            scores, is_probability = refined_scores(prob, images[index], how.refine), True
        at = here if how.resize_labels else size
        decision = _decide(scores, at, own_tags, how, is_probability, confidence)
        decisions.append(resized(decision, size))
    return decisions


def _decide(
    scores: Tensor,
    size: tuple[int, int],
    tags: Tensor | None,
    how: Inference,
    is_probability: bool,
    confidence: bool,
) -> Decision:
    """The best class at every pixel; scores are enlarged in bands, never all at once."""
    dtype = torch.uint8 if len(scores) <= 255 else torch.int32
    label = torch.empty(size, dtype=dtype, device=scores.device)
    sure = torch.empty(size, dtype=torch.uint8, device=scores.device) if confidence else None
    absent = None if tags is None else tags.to(scores.device) <= 0
    rows = max(1, BAND_VALUES // (len(scores) * size[1]))
    for first in range(0, size[0], rows):
        band = slice(first, min(first + rows, size[0]))
        values = _enlarged_rows(scores, size, band, how.align_corners)
        if absent is not None:
            values = values.masked_fill(absent[:, None, None], 0 if is_probability else -torch.inf)
        if sure is None:
            label[band] = values.max(dim=0).indices.to(dtype)  # four times as fast as argmax
            continue
        prob = values if is_probability else values.softmax(dim=0)
        if absent is not None and is_probability:
            prob = prob / prob.sum(dim=0).clamp_min(torch.finfo(prob.dtype).tiny)
        best = prob.max(dim=0)
        label[band] = best.indices.to(dtype)
        sure[band] = (255 * best.values).round().to(torch.uint8)
    return Decision(label.cpu(), None if sure is None else sure.cpu())


def _enlarged_rows(
    scores: Tensor, size: tuple[int, int], band: slice, align_corners: bool
) -> Tensor:
    """Rows ``band`` of ``(K, h, w)`` resized to ``size``, bilinear."""
    if scores.shape[-2:] == size:
        return scores[:, band]
    if (band.start, band.stop) == (0, size[0]):
        return F.interpolate(scores[None], size, mode="bilinear", align_corners=align_corners)[0]
    height = scores.shape[-2]
    row = torch.arange(band.start, band.stop, device=scores.device, dtype=torch.float64)
    if align_corners:
        place = row * ((height - 1) / max(size[0] - 1, 1))
    else:
        place = ((row + 0.5) * (height / size[0]) - 0.5).clamp_min(0)
    upper = place.long().clamp_max(height - 1)
    lower = (upper + 1).clamp_max(height - 1)
    share = (place - upper).to(scores.dtype)[:, None]
    first, last = int(upper[0]), int(lower[-1]) + 1
    slab = scores[None, :, first:last]
    wide = F.interpolate(
        slab, (last - first, size[1]), mode="bilinear", align_corners=align_corners
    )[0]
    return torch.lerp(wide[:, upper - first], wide[:, lower - first], share)


def resized(decision: Decision, size: tuple[int, int]) -> Decision:
    """A decision at another height and width, nearest."""
    confidence = decision.confidence
    return Decision(
        _nearest(decision.label, size), None if confidence is None else _nearest(confidence, size)
    )


def _framed(decision: Decision, size: Sequence[int], place: tuple[slice, slice]) -> Decision:
    """A decision over a part of a picture; elsewhere is no class, and confidence 0."""
    nothing = 255 if decision.label.dtype == torch.uint8 else 65535
    label = decision.label.new_full(tuple(size), nothing)
    label[place] = decision.label
    if decision.confidence is None:
        return Decision(label)
    confidence = torch.zeros_like(label, dtype=torch.uint8)
    confidence[place] = decision.confidence
    return Decision(label, confidence)


def _nearest(label: Tensor, size: tuple[int, int]) -> Tensor:
    """``(H, W)`` at another size: pixel i takes ``floor(i * old / new)``, in float32."""
    if label.shape == size:
        return label
    rows, columns = (
        (torch.arange(new, dtype=torch.float32) * np.float32(old / new).item())
        .long()
        .clamp_max(old - 1)
        for old, new in zip(label.shape, size, strict=True)
    )
    return label[rows][:, columns]


def refined_scores(prob: Tensor, image: Tensor, refine: Refine) -> Tensor:
    """Probabilities that follow the picture's edges.

    Args:
        prob: ``(K, H, W)`` float, adding up to 1.
        image: ``(C, H, W)`` uint8.
        refine: How; not ``none``.

    Returns:
        ``(K, H, W)``, on the host after a CRF.
    """
    if refine == "par":
        return par_half_size(image.to(prob.device), prob)
    # Imported here: compiling costs seconds, and only some test protocols ask for it.
    from scribbleseg.inference.dense_crf import CRF_PRESETS, dense_crf

    picture: NDArray[np.uint8] = image.permute(1, 2, 0).squeeze(-1).cpu().numpy()
    refined = dense_crf(
        prob.float().cpu().numpy(), picture, CRF_PRESETS[refine.removeprefix("crf_")]
    )
    return torch.from_numpy(refined)


def par_half_size(image: Tensor, prob: Tensor) -> Tensor:
    """`par` at half the size, where ToCo does it: a third of the time, and coarse noise goes.

    Args:
        image: ``(C, H, W)`` uint8.
        prob: ``(K, H, W)`` float.

    Returns:
        ``(K, H, W)``; the classes add up to 1.
    """
    size = (image.shape[-2], image.shape[-1])
    half = [max(1, length // 2) for length in size]
    small, smaller_prob = (
        F.interpolate(values[None].float(), half, mode="bilinear", antialias=True)
        for values in (image / 255, prob)
    )
    refined = par(small, smaller_prob)
    full = F.interpolate(refined, size, mode="bilinear")[0]
    return full / full.sum(dim=0)

"""Several looks at one picture: scales, mirror images and sliding windows."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.inference.settings import Inference

__all__ = ["fuse_views", "resize_scores", "slide", "view_size", "views", "window_starts"]

Network = Callable[[Tensor], Tensor]
"""``(B, C, h, w)`` normalised pictures to ``(B, K, h, w)`` logits."""


def views(net: Network, images: Tensor, how: Inference) -> Iterator[Tensor]:
    """What the network says to each scale in turn.

    Args:
        net: The network.
        images: ``(B, C, h, w)`` float, normalised: the mean colour is 0.
        how: Scales, mirror images and windows.

    Yields:
        ``(B, K, hs, ws)`` scores at the size of the view; with mirror images ``(2B, K, hs, ws)``,
        of which the second half is still mirrored. Scores are logits, or probabilities with
        ``cdsp_order``.
    """
    size = (images.shape[-2], images.shape[-1])
    for scale in how.scales:
        view = _resize_pictures(images, view_size(size, scale, how), how)
        if how.flip:
            view = torch.cat([view, view.flip(-1)])
        if how.window is not None:
            yield slide(net, view, how)
        else:
            yield _scores(net(view), how)


def view_size(size: tuple[int, int], scale: float, how: Inference = Inference()) -> tuple[int, int]:
    """Height and width of a view of one scale, at least one pixel.

    >>> view_size((375, 500), 0.5), view_size((375, 500), 0.5, Inference(long_side=512))
    ((188, 250), (192, 256))
    """
    whole = round if how.round_sizes == "nearest" else math.floor
    longest = max(size)
    if how.long_side is None:
        sides = [whole(side * scale) for side in size]
    else:
        longer = whole(scale * how.long_side)
        sides = [whole(side * longer / longest) for side in size]
    return max(1, sides[0]), max(1, sides[1])


def window_starts(length: int, window: int, stride: float) -> list[int]:
    """First pixel of each window along an axis; the last window ends where the axis does.

    >>> window_starts(10, 4, 2 / 3)
    [0, 3, 6]
    """
    step = math.ceil(window * stride)
    return [*range(0, max(length - window, 0), step), max(length - window, 0)]


def slide(net: Network, images: Tensor, how: Inference) -> Tensor:
    """Scores of windows that overlap, averaged where they do.

    Args:
        net: The network.
        images: ``(B, C, h, w)`` float, normalised; where they are smaller than a window they lie in
            its middle.
        how: Size and stride of the windows, and how many of them go through the network at a time.

    Returns:
        ``(B, K, h, w)``.
    """
    assert how.window is not None
    (height, width), (wide_h, wide_w) = images.shape[-2:], how.window
    lacking = [max(wide_h - height, 0), max(wide_w - width, 0)]
    top, left = lacking[0] // 2, lacking[1] // 2
    padded = F.pad(images, (left, lacking[1] - left, top, lacking[0] - top))
    rows = window_starts(padded.shape[-2], wide_h, how.stride)
    columns = window_starts(padded.shape[-1], wide_w, how.stride)
    corners = list(product(range(len(images)), rows, columns))
    total = room = None
    for first in range(0, len(corners), how.windows_at_once):
        some = corners[first : first + how.windows_at_once]
        crops = torch.stack([padded[b, :, y : y + wide_h, x : x + wide_w] for b, y, x in some])
        logits = net(crops)
        dtype = torch.promote_types(logits.dtype, torch.float32)
        if total is None:
            total = logits.new_zeros(len(images), logits.shape[1], height, width, dtype=dtype)
        for (b, y, x), window in zip(some, logits, strict=True):
            # What lies on the padding is nobody's business.
            seen, place = zip(
                _meet(y - top, wide_h, height), _meet(x - left, wide_w, width), strict=True
            )
            scores = window[:, seen[0], seen[1]]
            if how.combine == "cdsp_order":
                # A window at a time into the same memory stays in the cache.
                if room is None or room.shape != scores.shape:
                    room = torch.empty_like(scores, dtype=dtype)
                scores = torch.softmax(scores.to(dtype), dim=0, out=room)
            total[b, :, place[0], place[1]] += scores
    assert total is not None
    if len(rows) * len(columns) > 1:
        down = _times(rows, wide_h, top, height, total)
        across = _times(columns, wide_w, left, width, total)
        total /= down[:, None] * across
    return total


def fuse_views(
    each: Iterable[Tensor], sizes: Sequence[tuple[int, int]], how: Inference
) -> list[Tensor]:
    """One map of scores for each picture, from all views of it.

    Args:
        each: As `views` yields them.
        sizes: Height and width of the result for each of the B pictures.
        how: What is averaged.

    Returns:
        B maps ``(K, H, W)``: mean, sum or largest of logits or probabilities, as ``how`` says.
    """
    fused: list[Tensor] = []
    count = 0
    for view in each:
        count += 1
        pair = [view[: len(sizes)], view[len(sizes) :].flip(-1)] if how.flip else [view]
        softmax = how.combine == "probability"
        if how.over_flips != "max" and len(pair) == 2 and not softmax:
            pair = [_flips_together(pair, how)]  # resizing is linear: once instead of twice
        for index, size in enumerate(sizes):
            scores = [resize_scores(one[index], size, how) for one in pair]
            if softmax:
                scores = [one.softmax(dim=0) for one in scores]
            score = _flips_together(scores, how) if len(scores) == 2 else scores[0]
            if count == 1:
                fused.append(score if len(how.scales) == 1 else _owned(score, view))
            elif how.over_scales != "max":
                fused[index] += score.to(fused[index].device)
            else:
                torch.maximum(fused[index], score.to(fused[index].device), out=fused[index])
    if how.over_scales == "mean" and count > 1:
        for total in fused:
            total /= count
    return fused


def resize_scores(scores: Tensor, size: tuple[int, int], how: Inference) -> Tensor:
    """``(K, h, w)`` at another size, bilinear."""
    if scores.shape[-2:] == size:
        return scores
    return F.interpolate(scores[None], size, mode="bilinear", align_corners=how.align_corners)[0]


def _flips_together(pair: Sequence[Tensor], how: Inference) -> Tensor:
    """One map of a view and its twin, which is no longer mirrored."""
    if how.over_flips == "max":
        return torch.maximum(pair[0], pair[1])
    total = pair[0] + pair[1]
    return total / 2 if how.over_flips == "mean" else total


def _meet(start: int, window: int, length: int) -> tuple[slice, slice]:
    """Where a window and the picture meet along an axis: in the window, and in the picture.

    >>> _meet(-2, 8, 5)
    (slice(2, 7, None), slice(0, 5, None))
    """
    first, last = max(start, 0), min(start + window, length)
    return slice(first - start, last - start), slice(first, last)


def _times(starts: Sequence[int], window: int, before: int, length: int, like: Tensor) -> Tensor:
    """How many windows cover each pixel of an axis."""
    times = like.new_zeros(length)
    for start in starts:
        times[_meet(start - before, window, length)[1]] += 1
    return times


def _scores(logits: Tensor, how: Inference) -> Tensor:
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return wide.softmax(dim=1) if how.combine == "cdsp_order" else wide


def _resize_pictures(images: Tensor, size: tuple[int, int], how: Inference) -> Tensor:
    if images.shape[-2:] == size:
        return images
    if how.bicubic:
        return F.interpolate(images, size, mode="bicubic")
    return F.interpolate(images, size, mode="bilinear", align_corners=how.align_corners)


def _owned(score: Tensor, view: Tensor) -> Tensor:
    """A map to add to: on the host where the accelerator has no room for what is still to come."""
    needed = 4 * score.numel() * score.element_size()
    if score.is_cuda and torch.cuda.mem_get_info(score.device)[0] < needed:
        return score.cpu()
    shared = score.untyped_storage().data_ptr() == view.untyped_storage().data_ptr()
    return score.clone() if shared else score

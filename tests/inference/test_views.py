from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from tests.golden_cases import Case, golden
from torch import Tensor

from scribbleseg.data.normalisation import Normalisation
from scribbleseg.errors import ConfigError
from scribbleseg.evaluation.confusion import Scores, confusion_matrix
from scribbleseg.inference import CRF_PRESETS, PROTOCOLS, Inference, dense_crf, predict
from scribbleseg.inference.views import (
    Network,
    fuse_views,
    slide,
    view_size,
    views,
    window_starts,
)


def toy_network(case: Case, *, enlarge: bool = True) -> Network:
    """The network of the cases; it works at half the resolution."""
    weights = [
        torch.from_numpy(case[f"conv{index}_{kind}"])
        for index in (1, 2)
        for kind in ("weight", "bias")
    ]

    def net(images: Tensor) -> Tensor:
        hidden = F.conv2d(images, weights[0], weights[1], stride=2, padding=1).tanh()
        low = F.conv2d(hidden, weights[2], weights[3], padding=2, dilation=2)
        if not enlarge:
            return low
        return F.interpolate(low, images.shape[-2:], mode="bilinear", align_corners=True)

    return net


def picture(case: Case) -> Tensor:
    return torch.from_numpy(case["image"]).permute(2, 0, 1)[None]


def normalisation(case: Case) -> Normalisation:
    return Normalisation(tuple(case["mean"] / 255), tuple(case["std"] / 255))


def check_scores(case: Case, label: np.ndarray) -> None:
    assert (label != case["prediction"]).mean() < 0.005
    counts = confusion_matrix(
        case["prediction"], case["gt"], num_classes=len(case["iou"]), ignore_index=255
    )
    np.testing.assert_array_equal(counts, case["confusion"])
    scores = Scores.from_counts(counts)
    np.testing.assert_allclose(np.nan_to_num(scores.iou), case["iou"], atol=1e-12)
    assert scores.miou_all == pytest.approx(case["miou"], abs=1e-12)
    assert scores.pixel_accuracy == pytest.approx(case["pixel_acc"], abs=1e-12)


@golden("cdsp", "eval_sliding")
def test_sliding_windows_are_those_of_cdsp(case: Case) -> None:
    how = Inference(
        tuple(case["scales"]),
        long_side=case["base_size"],
        window=tuple(case["crop_size"]),
        stride=case["stride_rate"],
        combine="cdsp_order",
        windows_at_once=3,
    )
    net, image, normalise = toy_network(case), picture(case), normalisation(case)
    size = (image.shape[-2], image.shape[-1])
    each = list(views(net, normalise(image), how))
    for view, wanted in zip(each, case["per_scale_prob"], strict=True):
        (prob,) = fuse_views([view], [size], how)
        np.testing.assert_allclose(prob.permute(1, 2, 0).numpy(), wanted, atol=1e-5)
    (prob,) = fuse_views(each, [size], how)
    np.testing.assert_allclose(prob.permute(1, 2, 0).numpy(), case["prob"], atol=1e-5)
    (decision,) = predict(net, image, [size], normalise, how)
    check_scores(case, decision.label.numpy())


@golden("cdsp", "eval_coco")
def test_mirrored_scales_are_those_of_the_coco_protocol(case: Case) -> None:
    scales = tuple(case["scales"].tolist())
    how = replace(PROTOCOLS["cdsp_coco"], scales=scales)
    images = torch.from_numpy(case["network_input"])[None]
    side = case["size"]
    net = toy_network(case, enlarge=False)  # the protocol enlarges in one step
    (mean,) = fuse_views(views(net, images, how), [(side, side)], how)
    np.testing.assert_allclose(2 * len(scales) * mean.numpy(), case["summed_logits"], atol=1e-4)

    class Identity(Normalisation):
        def __call__(self, images: Tensor) -> Tensor:
            return images

    size = tuple(case["gt"].shape)
    (decision,) = predict(net, images, [size], Identity((0,), (1,)), how)
    assert decision.label.shape == size
    check_scores(case, decision.label.numpy())


@golden("lpl", "tta")
def test_views_are_fused_as_lpl_does(case: Case) -> None:
    logits = [torch.from_numpy(case[f"view_{index}"]) for index in range(case["n_views"])]
    size, how = (case["height"], case["width"]), PROTOCOLS["lpl"]
    for scale, view in zip(how.scales, logits[::2], strict=True):
        assert view_size(size, scale) == tuple(view.shape[-2:])
    pairs = [torch.stack(pair) for pair in zip(logits[::2], logits[1::2], strict=True)]
    (mean,) = fuse_views(pairs, [size], how)
    np.testing.assert_allclose(mean.numpy(), case["mean_logits"], rtol=1e-9, atol=1e-9)
    tags = torch.from_numpy(case["tags"]).flatten()

    def decided(tags: Tensor | None) -> np.ndarray:
        images = torch.zeros(1, 3, *size, dtype=torch.uint8)
        plain = Inference(align_corners=True)
        (decision,) = predict(
            lambda _: mean[None], images, [size], Normalisation((0,) * 3, (1,) * 3), plain,
            tags=tags,
        )  # fmt: skip
        return decision.label.numpy()

    np.testing.assert_array_equal(decided(tags[None]), case["stage1_label"])
    np.testing.assert_array_equal(decided(tags[None]), case["pseudo_label"])
    np.testing.assert_array_equal(decided(None), case["stage2_label"])


@golden("blpseg", "fuse", holding="logits0")
def test_views_are_fused_as_blpseg_does(case: Case) -> None:
    flip, size = case["flip"], case["rgb"].shape[:2]
    how = Inference(tuple(case["scales"]), flip=flip, bicubic=True, align_corners=True)
    count = len(case["scales"]) * (2 if flip else 1)
    logits = [torch.from_numpy(case[f"logits{index}"]) for index in range(count)]
    pairs = (
        [torch.cat(pair) for pair in zip(logits[::2], logits[1::2], strict=True)]
        if flip
        else logits
    )
    for scale, view, shape in zip(how.scales, pairs, case["scaled_shapes"], strict=True):
        assert view_size(size, scale) == tuple(view.shape[-2:]) == tuple(shape)
    (mean,) = fuse_views(pairs, [size], how)
    if case["crf"]:
        # The case was made with the picture as restored from its normalised form, truncated.
        std, mean_color = (
            np.array(values, np.float32)
            for values in ((0.229, 0.224, 0.225), (0.485, 0.456, 0.406))
        )
        restored = ((case["normalised"] * std + mean_color) * 255).astype(np.uint8)
        prob = mean.softmax(dim=0).float().numpy()
        label = dense_crf(prob, restored, CRF_PRESETS["blpseg"]).argmax(axis=0)
        np.testing.assert_array_equal(label, case["prediction"])
    else:
        np.testing.assert_array_equal(mean.argmax(dim=0).numpy(), case["prediction"])


@golden("blpseg", "fuse", holding="size_rounding")
def test_sides_are_rounded_half_to_even(case: Case) -> None:
    for side, factor, rounded in case["size_rounding"]:
        assert view_size((int(side), 1), factor)[0] == max(1, rounded)


@given(st.integers(1, 200), st.integers(1, 60), st.floats(0.05, 1))
def test_windows_cover_the_axis(length: int, window: int, stride: float) -> None:
    starts = window_starts(length, window, stride)
    covered = np.zeros(max(length, window), bool)
    for start in starts:
        covered[start : start + window] = True
    assert covered.all()
    assert starts == sorted(set(starts))
    assert starts[-1] + window == max(length, window)


def per_pixel(images: Tensor) -> Tensor:
    """A network that looks at single pixels: windows change nothing."""
    return torch.cat([images, -images, images.square()], dim=1)


@pytest.mark.parametrize("size", [(20, 31), (7, 40), (5, 5)])
def test_windows_of_a_pixelwise_network_change_nothing(size: tuple[int, int]) -> None:
    images = torch.rand(2, 1, *size)
    how = Inference(window=(9, 8), windows_at_once=4)
    torch.testing.assert_close(slide(per_pixel, images, how), per_pixel(images))


def test_mirror_images_of_a_pixelwise_network_change_nothing() -> None:
    images = torch.rand(2, 1, 6, 9)
    for how in (
        Inference(flip=True),
        Inference(flip=True, over_flips="max", combine="probability"),
    ):
        fused = fuse_views(views(per_pixel, images, how), [(6, 9)] * 2, how)
        wanted = per_pixel(images)
        wanted = wanted if how.combine == "logits" else wanted.softmax(dim=1)
        torch.testing.assert_close(torch.stack(fused), wanted)


def test_largest_over_scales_and_flips() -> None:
    """Hand values: one pixel, two scales, a mirrored twin each."""
    pairs = [torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), torch.tensor([5.0, 0.0]).view(2, 1, 1, 1)]
    for flips, scales, wanted in (
        ("mean", "mean", 2.25), ("max", "mean", 4.0), ("mean", "max", 2.5), ("max", "max", 5.0),
        ("sum", "max", 5.0), ("max", "sum", 8.0), ("sum", "mean", 4.5), ("sum", "sum", 9.0),
    ):  # fmt: skip
        how = Inference((1.0, 2.0), flip=True, over_flips=flips, over_scales=scales)  # type: ignore[arg-type]
        assert fuse_views(pairs, [(1, 1)], how)[0].item() == wanted


@pytest.mark.parametrize(("protocol", "wanted"), [("toco_voc", 4.0), ("toco_coco", 6.0)])
def test_the_crf_of_toco_sees_sums(protocol: str, wanted: float) -> None:
    """Logits of 2 from each of three scales and their twins; a mean would halve them and more."""
    each = [torch.tensor([2.0, 0.0]).view(1, 2, 1, 1).expand(2, -1, -1, -1)] * 3
    (fused,) = fuse_views(each, [(1, 1)], PROTOCOLS[protocol])
    assert fused.flatten().tolist() == [wanted, 0.0]


def test_fusing_changes_no_view() -> None:
    each = [torch.rand(1, 2, 4, 4), torch.rand(1, 2, 4, 4)]
    before = [view.clone() for view in each]
    fuse_views(each, [(4, 4)], Inference((1.0, 1.0)))
    assert all(torch.equal(*pair) for pair in zip(each, before, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": ()}, "inference.scales"),
        ({"scales": (1.0, -1.0)}, "inference.scales"),
        ({"window": (0, 5)}, "inference.window"),
        ({"stride": 0}, "inference.stride"),
        ({"long_side": 0}, "inference.long_side"),
        (
            {"over_scales": "sum", "combine": "probability"},
            "sums of probabilities",
        ),
        ({"windows_at_once": 0}, "inference.windows_at_once"),
        ({"tile": 5}, "inference.tile"),
    ],
)
def test_impossible_settings(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Inference(**options)  # type: ignore[arg-type]

import numpy as np
import pytest
import torch
from torch import Tensor

from scribbleseg.data.normalisation import Normalisation
from scribbleseg.errors import ConfigError
from scribbleseg.inference import CamLabels, cam_decisions
from scribbleseg.inference.activation_map import cam_label, multi_scale_cam
from scribbleseg.inference.pseudo_label import pseudo_label

NORMALISE = Normalisation((0.5,) * 3, (0.25,) * 3)


def colours(image: Tensor) -> tuple[Tensor, Tensor]:
    """Maps that say how red and how green a pixel is; the auxiliary ones the other way round."""
    return image[:, :2], image[:, [1, 0]]


def picture() -> Tensor:
    """Red at the left, green at the right, black between."""
    image = torch.zeros(1, 3, 24, 36, dtype=torch.uint8)
    image[:, 0, :, :12], image[:, 1, :, 24:] = 250, 250
    return image


def decide(tags: Tensor, how: CamLabels, size: tuple[int, int] = (24, 36)) -> tuple[Tensor, Tensor]:
    (decision,) = cam_decisions(colours, picture(), [size], NORMALISE, tags, how)
    assert decision.confidence is not None
    assert decision.label.dtype == decision.confidence.dtype == torch.uint8
    assert decision.label.shape == decision.confidence.shape == size
    return decision.label, decision.confidence


ALL, RED, NONE = (torch.tensor([tags]) for tags in ([1.0, 1, 1], [1.0, 1, 0], [1.0, 0, 0]))


def test_objects_are_where_the_maps_are_and_of_the_tags_only() -> None:
    label, confidence = decide(ALL, CamLabels())
    assert (label[:, :10] == 1).all()
    assert (label[:, 26:] == 2).all()
    assert (label[:, 14:22] == 0).all()
    assert (confidence[:, [2, 18, 34]] > 200).all()
    only_red, _ = decide(RED, CamLabels())
    assert (only_red[:, :10] == 1).all()
    assert (only_red[:, 14:] == 0).all()
    assert (decide(NONE, CamLabels())[0] == 0).all()


def test_without_refinement_it_is_the_published_rule() -> None:
    label, _ = decide(ALL, CamLabels(background_score=(0.4,)))
    cam, _ = multi_scale_cam(colours, NORMALISE(picture()))
    assert torch.equal(label.long(), cam_label(cam, ALL, threshold=0.4)[0])


def test_the_branch_can_be_chosen() -> None:
    label, _ = decide(ALL, CamLabels(branch="auxiliary"))
    assert (label[:, :10] == 2).all()


def test_what_lies_between_two_scores_has_no_confidence() -> None:
    low, _ = decide(ALL, CamLabels(background_score=(0.2,)))
    high, sure = decide(ALL, CamLabels(background_score=(0.9,)))
    both, confidence = decide(ALL, CamLabels(background_score=(0.2, 0.9)))
    between = (low > 0) & (high == 0)
    assert between.any()
    assert torch.equal(both, high)
    assert torch.equal(confidence == 0, between)
    assert torch.equal(confidence[~between], sure[~between])
    written, _ = pseudo_label(both.numpy(), confidence.numpy(), np.zeros(3))
    np.testing.assert_array_equal(written == 255, between)


@pytest.mark.parametrize("refine", ["par", "crf_toco_cam"])
def test_what_refinement_decides_has_a_confidence(refine: str) -> None:
    how = CamLabels(background_score=(0.2, 0.9), refine=refine)  # type: ignore[arg-type]
    label, confidence = decide(ALL, how)
    low, high = (
        decide(ALL, CamLabels(background_score=(score,), refine=refine))[0]  # type: ignore[arg-type]
        for score in (0.2, 0.9)
    )
    assert torch.equal(label, high)
    assert torch.equal(confidence == 0, (low > 0) & (high == 0))


@pytest.mark.parametrize("size", [(24, 36), (48, 72), (31, 17)])
def test_pictures_may_be_resized_for_the_network_and_labels_for_the_picture(
    size: tuple[int, int],
) -> None:
    label, _ = decide(ALL, CamLabels(size=(32, 32)), size)
    third = size[1] // 3
    assert (label[:, : third - 2] == 1).all()
    assert (label[:, size[1] - third + 2 :] == 2).all()


@pytest.mark.parametrize("refine", ["par", "crf_toco_cam"])
def test_refined_maps_end_at_the_pictures_edges(refine: str) -> None:
    how = CamLabels(background_score=(0.3,), refine=refine)  # type: ignore[arg-type]
    label, _ = decide(ALL, how)
    truth = torch.tensor([1] * 12 + [0] * 12 + [2] * 12).expand(24, 36)
    assert (label == truth).float().mean() > 0.9
    assert decide(RED, how)[0].max() == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"background_score": ()}, r"background_score: \[\]"),
        ({"background_score": (0.7, 0.3)}, r"background_score: \[0.7, 0.3\]; expected one"),
        ({"background_score": (0.0,)}, "above 0 and below 1"),
        ({"background_score": (0.1, 0.2, 0.3)}, "expected one value"),
        ({"scales": ()}, r"scales \[\]"),
        ({"size": (0, 8)}, r"size \(0, 8\)"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CamLabels(**change)  # type: ignore[arg-type]

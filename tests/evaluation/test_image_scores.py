import warnings

import numpy as np
import pytest

from scribbleseg.evaluation import ImageScores, confusion_matrix
from scribbleseg.evaluation.image_scores import image_hd95, mean_over_images


def scored(prediction: list[int], mask: list[int], *, hd95: bool = False) -> ImageScores:
    pair = np.array([prediction], np.uint8), np.array([mask], np.uint8)
    return ImageScores.from_counts(
        confusion_matrix(*pair, num_classes=3), image_hd95(*pair, num_classes=3) if hd95 else None
    )


def test_hand_values() -> None:
    image = scored([0, 0, 1, 1, 0], [0, 1, 1, 1, 255])
    assert image.truth.tolist() == [1, 3, 0]
    np.testing.assert_allclose(image.scores.iou, [1 / 2, 2 / 3, np.nan])
    assert image.scores.miou == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert image.scores.pixel_accuracy == 3 / 4


def test_every_image_counts_alike_and_what_is_empty_is_counted() -> None:
    images = [
        scored([0, 1, 1, 1], [0, 1, 1, 1], hd95=True),  # perfect; class 2 in neither
        scored([0, 1, 0, 0], [0, 1, 1, 0], hd95=True),  # Dice 2/3 of class 1, 4/5 of class 0
        scored([0, 2, 0, 0], [0, 1, 0, 0], hd95=True),  # 1 true only, 2 predicted only
    ]
    means = mean_over_images(images)
    assert means is not None
    assert means.hd95 is not None
    assert means.images == 3
    np.testing.assert_allclose(means.dice, [(1 + 4 / 5 + 1) / 3, (1 + 2 / 3 + 0) / 3, 0])
    # class 1 of the second image: distances 0 (predicted to true), 0 and 1 (true to predicted)
    np.testing.assert_allclose(means.hd95[1:], [(0 + np.percentile([0, 0, 1], 95)) / 2, np.nan])
    assert means.empty_prediction.tolist() == [0, 1, 0]
    assert means.empty_truth.tolist() == [0, 0, 1]
    assert means.empty_both.tolist() == [0, 0, 2]
    facts = means.as_dict(["a", "b", "c"])
    assert facts["mean_dice_foreground"] == pytest.approx(np.mean(means.dice[1:]))
    assert facts["classes"]["c"]["empty_truth"] == 1
    assert mean_over_images([]) is None


def test_void_is_in_no_class() -> None:
    distance = image_hd95(np.array([[0, 1, 1, 1]]), np.array([[0, 1, 255, 255]]), num_classes=2)
    assert distance.tolist() == [0, 0]


def test_directed_distances_agree_with_monai() -> None:
    """Of a region that was moved both directions have the same distances."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from monai.metrics import compute_hausdorff_distance

    mask, prediction = np.zeros((30, 40), int), np.zeros((30, 40), int)
    mask[10:20, 10:25] = 1
    prediction[12:22, 10:25] = 1
    one_hot = [
        torch.from_numpy(np.stack([label == 0, label == 1])[None]).float()
        for label in (prediction, mask)
    ]
    theirs = compute_hausdorff_distance(*one_hot, percentile=95)
    ours = image_hd95(prediction, mask, num_classes=2)
    assert ours[1] == pytest.approx(theirs.item())

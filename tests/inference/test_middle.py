from typing import Any

import numpy as np
import pytest
import torch
from tests.golden_cases import Case, golden
from torch import Tensor

from scribbleseg.data.normalisation import IMAGENET_MEAN, IMAGENET_STD, Normalisation
from scribbleseg.errors import ConfigError
from scribbleseg.evaluation import confusion_matrix
from scribbleseg.inference import PROTOCOLS, Inference, predict

IMAGENET = Normalisation(IMAGENET_MEAN, IMAGENET_STD)


class Watched:
    """A network that remembers what it sees, and says class 1 everywhere."""

    def __call__(self, images: Tensor) -> Tensor:
        self.seen = images
        logits = torch.zeros(len(images), 3, *images.shape[-2:])
        logits[:, 1] = 1
        return logits


def look(image: Tensor, side: int, **options: Any) -> tuple[Watched, Any]:
    net = Watched()
    how = Inference(window=(side, side), center=(side, side))
    size = (image.shape[-2], image.shape[-1])
    (decision,) = predict(net, image[None], [size], IMAGENET, how, **options)
    return net, decision


@golden("pfa", "val_transform")
def test_the_validation_of_pfa_looks_at_the_middle(case: Case) -> None:
    side, label = case["crop"], case["label"]
    image = torch.from_numpy(case["image"]).to(torch.uint8).permute(2, 0, 1)
    net, decision = look(image, side)
    torch.testing.assert_close(net.seen[0], torch.tensor(case["out_image"]), rtol=1e-6, atol=1e-6)
    # What is counted are the pixels of the published crop, and no others.
    counts = confusion_matrix(decision.label.numpy(), label, num_classes=21)
    published = np.bincount(case["out_label"].ravel(), minlength=256)[:21]
    assert counts[:, 1].tolist() == published.tolist()
    assert counts.sum() == published.sum()


def test_elsewhere_nothing_is_decided() -> None:
    _, decision = look(torch.zeros(3, 6, 9, dtype=torch.uint8), 4, confidence=True)
    inside = torch.zeros(6, 9, dtype=torch.bool)
    inside[1:5, 2:6] = True
    assert decision.label.tolist() == torch.where(inside, 1, 255).tolist()
    assert (decision.confidence > 0).tolist() == inside.tolist()


def test_the_protocol_by_name() -> None:
    assert PROTOCOLS["pfa_crop"].center == (320, 320)
    with pytest.raises(ConfigError, match="center"):
        Inference(center=(0, 3))

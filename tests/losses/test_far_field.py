import numpy as np
import torch
from tests.golden_cases import Case, golden

from scribbleseg.annotation import far_background
from scribbleseg.losses import far_background_loss


@golden("baselines", "far_hull")
def test_matches_reference(case: Case) -> None:
    far = np.stack([far_background(label) for label in case["label"]])
    np.testing.assert_array_equal(far, case["far_background"])
    logits = torch.from_numpy(case["logits"]).requires_grad_()
    loss = far_background_loss(logits, torch.from_numpy(far))
    loss.backward()
    np.testing.assert_allclose(loss.item(), case["loss"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(logits.grad, case["grad"], rtol=1e-9, atol=1e-9)


def test_mean_is_over_the_far_pixels_of_the_batch() -> None:
    logits = torch.zeros(2, 4, 3, 3)
    far = torch.zeros(2, 3, 3, dtype=torch.bool)
    far[0, 0, 0] = far[1] = True
    torch.testing.assert_close(far_background_loss(logits, far), torch.tensor(4.0).log())

import torch
from tests.contracts.test_methods import make

from scribbleseg.losses import partial_cross_entropy
from scribbleseg.methods import SelfTraining


def test_the_terms_are_means_over_their_own_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    task = make(SelfTraining, pseudo_weight=0.5).eval()
    scribble = torch.full((2, 16, 16), 255)
    scribble[0, 3, 4], scribble[1, 5, 5] = 1, 2
    pseudo = torch.randint(0, 3, (2, 16, 16), generator=generator)
    pseudo[:, :9] = 255
    batch = {
        "image": torch.rand(2, 3, 16, 16, generator=generator),
        "scribble": scribble,
        "pseudo_label": pseudo,
    }
    terms, logits = task.training_loss(batch)
    assert set(terms) == {"partial_ce", "pseudo_ce"}
    log_prob = logits.log_softmax(dim=1)
    by_hand = -(log_prob[0, 1, 3, 4] + log_prob[1, 2, 5, 5]) / 2
    torch.testing.assert_close(terms["partial_ce"], by_hand)
    torch.testing.assert_close(terms["pseudo_ce"], 0.5 * partial_cross_entropy(logits, pseudo))

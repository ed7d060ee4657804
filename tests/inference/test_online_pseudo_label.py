import torch

from scribbleseg.inference import online_pseudo_label

# golden: tests/methods/test_blpseg.py, with the whole network


def test_strokes_win_and_padding_has_no_label() -> None:
    logits = torch.tensor([9.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3)
    scribble = torch.tensor([[[255, 1, 255]]])
    valid = torch.tensor([[[True, True, False]]])
    label = online_pseudo_label(logits, scribble, torch.ones(1, 2), valid)
    assert label.tolist() == [[[0, 1, 255]]]


def test_absent_classes_are_removed_and_the_others_not_raised() -> None:
    """0.95 and 0.05; without class 0 the best is 0.05, which is not sure."""
    logits = torch.tensor([0.95, 0.05]).log().view(1, 2, 1, 1)
    scribble, valid = torch.full((1, 1, 1), 255), torch.ones(1, 1, 1, dtype=torch.bool)
    tags = torch.tensor([[0.0, 1.0]])
    assert online_pseudo_label(logits, scribble, tags, valid).item() == 255
    assert online_pseudo_label(logits, scribble, tags, valid, threshold=0.04).item() == 1


def test_it_is_a_constant() -> None:
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    scribble, valid = torch.full((1, 3, 3), 255), torch.ones(1, 3, 3, dtype=torch.bool)
    assert not online_pseudo_label(logits, scribble, torch.ones(1, 2), valid).requires_grad

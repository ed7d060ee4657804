from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.contracts.test_methods import make
from tests.golden_cases import Case, golden
from torch import Tensor, nn

from scribbleseg.losses import dice_loss
from scribbleseg.methods import DMPLS
from scribbleseg.methods.dmpls import mixed_pseudo_label
from scribbleseg.networks import PlainUNet


class Stored(nn.Module):
    """A network that always says the same."""

    stride = 1

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.encoder, self.logits = nn.Identity(), nn.Parameter(logits)

    def encode(self, image: Tensor) -> list[Tensor]:
        return [image]

    def decode(self, maps: list[Tensor]) -> Tensor:
        return self.logits


@golden("baselines", "dmpls")
def test_matches_reference(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [torch.from_numpy(case[f"logits_{name}"]) for name in ("main", "aux")]
    count, classes, height, width = both[0].shape
    made = iter(both)
    task = DMPLS(
        network=lambda _classes, _channels: Stored(next(made)), class_names=["c"] * classes
    )
    monkeypatch.setattr(torch, "rand", lambda *_: torch.tensor(case["beta"], dtype=torch.float64))
    batch = {
        "image": torch.zeros(count, 3, height, width, dtype=torch.float64),
        "scribble": torch.from_numpy(case["label"]).long(),
        "valid": torch.ones(count, height, width, dtype=torch.bool),
    }
    terms, logits = task.training_loss(batch)
    label = mixed_pseudo_label(*both, beta=case["beta"])
    np.testing.assert_array_equal(label, case["pseudo_label"])
    assert terms["partial_ce"].item() == pytest.approx(case["loss_ce"], rel=1e-9, abs=1e-9)
    pseudo = terms["pseudo_dice"].item()
    assert pseudo == pytest.approx(0.5 * case["loss_pseudo"], rel=1e-9, abs=1e-9)
    torch.stack(list(terms.values())).sum().backward()
    main, auxiliary = task.net, task.auxiliary
    assert isinstance(main, Stored)
    assert isinstance(auxiliary, Stored)
    assert logits is main.logits or torch.equal(logits, main.logits)
    np.testing.assert_allclose(main.logits.grad, case["grad_main"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(auxiliary.logits.grad, case["grad_aux"], rtol=1e-9, atol=1e-9)


@golden("baselines", "dmpls")
def test_the_dice_loss_matches_reference(case: Case) -> None:
    label = torch.from_numpy(case["pseudo_label"])
    for name in ("main", "aux"):
        logits = torch.from_numpy(case[f"logits_{name}"]).requires_grad_()
        (dice_loss(logits, label, smoothing=1e-5 / len(label)) / 2).backward()
        np.testing.assert_allclose(logits.grad, case[f"grad_pseudo_{name}"], rtol=1e-9, atol=1e-9)


def batch_of(size: tuple[int, int] = (18, 22)) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    scribble = torch.full((2, *size), 255)
    scribble[:, 3, 4], scribble[:, 9, 9] = 1, 2
    return {
        "image": torch.rand(2, 3, *size, generator=generator),
        "scribble": scribble,
        "valid": torch.ones(2, *size, dtype=torch.bool),
    }


def test_equals_take_the_first_class() -> None:
    assert (
        mixed_pseudo_label(torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), beta=0.3) == 0
    ).all()


def test_the_main_decoder_sees_everything_and_is_what_predicts() -> None:
    task, batch = make(DMPLS).eval(), batch_of()
    _, logits = task.training_loss(batch)
    torch.testing.assert_close(logits, task.net(batch["image"]))
    whole = make(DMPLS, feature_dropout=0.0).eval()
    assert whole.state_dict().keys() == task.state_dict().keys()
    assert not [name for name in task.net.state_dict() if "auxiliary" in name]
    assert set(task.net.state_dict()) == set(PlainUNet(3, 3, widths=(6, 12, 24)).state_dict())


def test_half_of_the_channels_of_every_level_are_hidden_from_the_auxiliary_decoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task, seen = make(DMPLS), {}
    for name, part in (("main", task.net), ("auxiliary", task.auxiliary)):
        assert isinstance(part, PlainUNet)

        def decode(maps: Any, part: PlainUNet = part, name: str = name) -> Tensor:
            seen[name] = maps
            return PlainUNet.decode(part, maps)

        monkeypatch.setattr(part, "decode", decode)
    task.training_loss(batch_of())
    assert len(seen["main"]) == len(seen["auxiliary"]) == 3
    hidden = [
        ((aux == 0).all(dim=(2, 3)) & (main != 0).any(dim=(2, 3)))
        for main, aux in zip(seen["main"], seen["auxiliary"], strict=True)
    ]
    assert all(0 < level.float().mean() < 1 for level in hidden)
    for main, aux, level in zip(seen["main"], seen["auxiliary"], hidden, strict=True):
        torch.testing.assert_close(aux[~level], 2 * main[~level])


def test_padding_has_no_pseudo_label() -> None:
    batch = batch_of()
    batch["valid"][:, 9:] = False
    task = make(DMPLS, network=partial(PlainUNet, widths=(4, 8)))
    torch.manual_seed(1)
    terms, _ = task.training_loss(batch)
    batch["valid"][:] = False
    nothing, _ = task.training_loss(batch)
    assert terms["pseudo_dice"] > 0
    assert nothing["pseudo_dice"] == 0

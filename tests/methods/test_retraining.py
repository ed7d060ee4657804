from functools import partial
from pathlib import Path

import torch
from tests.contracts.test_methods import first_batch, make

from scribbleseg.losses import partial_cross_entropy
from scribbleseg.methods import Retraining
from scribbleseg.networks import PlainUNet


def test_each_image_has_one_label_map(drawn: Path, tmp_path: Path) -> None:
    """A mask, a scribble and tags alone, with scribbles as the labels of an earlier stage."""
    names = [f"cell {index}" for index in range(8)]
    (tmp_path / "kinds.txt").write_text(
        "".join(
            f"{name}\t{kind}\n"
            for name, kind in zip(names, ["mask", "scribble", *["tags"] * 6], strict=True)
        )
    )
    batch = first_batch(
        Retraining,
        drawn,
        batch_size=8,
        supervision=str(tmp_path / "kinds.txt"),
        tags="mask",
    )
    kinds = batch["supervision"]
    masked, drawn_on = kinds.index("mask"), kinds.index("scribble")
    pseudo = torch.randint(3, batch["pseudo_label"].shape)
    pseudo[masked] = batch["mask"][masked]
    pseudo[masked, :9] = 255  # void, which nobody labels
    assert torch.equal(batch["pseudo_label"][masked], batch["mask"][masked])
    task = make(Retraining, network=partial(PlainUNet, widths=(4, 8))).eval()
    terms, logits = task.training_loss({**batch, "pseudo_label": pseudo})
    expected, strokes = pseudo.clone(), batch["scribble"][drawn_on]
    expected[drawn_on] = torch.where(strokes == 255, pseudo[drawn_on], strokes)
    assert (strokes != 255).any()
    assert set(terms) == {"ce"}
    torch.testing.assert_close(terms["ce"], partial_cross_entropy(logits, expected))

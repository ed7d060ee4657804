"""The network of WSL4MIS, stated again in plain functions, against its weights in ours."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scribbleseg.errors import CheckpointError
from scribbleseg.exchange import convert_checkpoint

WIDTHS = (2, 3, 4, 5, 6)

State = dict[str, Tensor]


def block(state: State, name: str, image: Tensor) -> Tensor:
    """Convolution with bias, batch norm, leaky ReLU; twice."""
    for conv, norm in ((0, 1), (4, 5)):
        kernel, shift = (state[f"{name}.conv_conv.{conv}.{part}"] for part in ("weight", "bias"))
        mean, var, scale, bias = (
            state[f"{name}.conv_conv.{norm}.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        image = F.conv2d(image, kernel, shift, padding=1)
        image = F.leaky_relu(F.batch_norm(image, mean, var, scale, bias))
    return image


def reference(state: State, image: Tensor, decoder: str) -> Tensor:
    """Logits of the published forward pass in evaluation mode."""
    maps = [block(state, "encoder.in_conv", image)]
    for level in range(1, 5):
        pooled = F.max_pool2d(maps[-1], 2)
        maps.append(block(state, f"encoder.down{level}.maxpool_conv.1", pooled))
    deep = maps.pop()
    for level in range(1, 5):
        up = f"{decoder}.up{level}"
        if f"{up}.conv1x1.weight" in state:
            deep = F.conv2d(deep, state[f"{up}.conv1x1.weight"], state[f"{up}.conv1x1.bias"])
            deep = F.interpolate(deep, scale_factor=2, mode="bilinear", align_corners=True)
        else:
            deep = F.conv_transpose2d(deep, state[f"{up}.up.weight"], state[f"{up}.up.bias"], 2)
        deep = block(state, f"{up}.conv", torch.cat([maps.pop(), deep], dim=1))
    head = f"{decoder}.out_conv"
    return F.conv2d(deep, state[f"{head}.weight"], state[f"{head}.bias"], padding=1)


def random_state(decoders: tuple[str, ...], *, bilinear: bool, classes: int = 4) -> State:
    """Weights with the published names."""
    generator = torch.Generator().manual_seed(0)
    state: State = {}

    def add(name: str, *shape: int) -> None:
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) / 3
        state[f"{name}.bias"] = torch.randn(shape[0], generator=generator)

    def add_block(name: str, width_in: int, width: int) -> None:
        for conv, norm, channels in ((0, 1, width_in), (4, 5, width)):
            add(f"{name}.conv_conv.{conv}", width, channels, 3, 3)
            add(f"{name}.conv_conv.{norm}", width)
            state[f"{name}.conv_conv.{norm}.running_mean"] = torch.randn(width, generator=generator)
            state[f"{name}.conv_conv.{norm}.running_var"] = 1 + torch.rand(
                width, generator=generator
            )
            state[f"{name}.conv_conv.{norm}.num_batches_tracked"] = torch.tensor(7)

    add_block("encoder.in_conv", 1, WIDTHS[0])
    for level in range(1, 5):
        add_block(f"encoder.down{level}.maxpool_conv.1", WIDTHS[level - 1], WIDTHS[level])
    for decoder in decoders:
        for level in range(1, 5):
            coarse, fine = WIDTHS[5 - level], WIDTHS[4 - level]
            if bilinear:
                add(f"{decoder}.up{level}.conv1x1", fine, coarse, 1, 1)
            else:
                add(f"{decoder}.up{level}.up", coarse, fine, 2, 2)
                state[f"{decoder}.up{level}.up.bias"] = torch.randn(fine, generator=generator)
            add_block(f"{decoder}.up{level}.conv", 2 * fine, fine)
        add(f"{decoder}.out_conv", classes, WIDTHS[0], 3, 3)
    return state


@pytest.mark.parametrize(
    ("decoders", "bilinear"),
    [
        (("decoder",), True),
        (("decoder",), False),
        (("main_decoder", "aux_decoder1"), True),
        (("main_decoder", "aux_decoder1", "aux_decoder2"), True),
    ],
)
def test_logits_are_those_of_the_published_network(
    decoders: tuple[str, ...], bilinear: bool, tmp_path: Path
) -> None:
    state = random_state(decoders, bilinear=bilinear)
    torch.save(state, tmp_path / "w.pth")
    done = convert_checkpoint(tmp_path / "w.pth")
    assert len(done.dropped) == sum(key.startswith("aux_decoder") for key in state)
    image = torch.randn(2, 1, 32, 48, dtype=torch.float64)
    with torch.inference_mode():
        wanted = reference({k: v.double() for k, v in state.items()}, image, decoders[0])
        torch.testing.assert_close(done.net.double()(image), wanted, rtol=1e-9, atol=1e-9)
    assert done.model.class_names == ("background", "RV", "MYO", "LV")
    assert done.model.picture.resize == (256, 256)


def test_two_main_decoders_are_refused(tmp_path: Path) -> None:
    torch.save(random_state(("decoder", "main_decoder"), bilinear=True), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"main_decoder.* which is there already"):
        convert_checkpoint(tmp_path / "w.pth")


def test_other_classes_have_no_names(tmp_path: Path) -> None:
    torch.save(random_state(("decoder",), bilinear=True, classes=2), tmp_path / "w.pth")
    assert convert_checkpoint(tmp_path / "w.pth").model.class_names == ("class 0", "class 1")

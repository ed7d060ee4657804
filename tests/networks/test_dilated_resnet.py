from typing import Any, Literal

import pytest
import torch

from scribbleseg.networks.dilated_resnet import dilated_resnet

ONE, TWO = (1, 1), (2, 2)


def skeleton(depth: Literal[50, 101], **options: Any) -> Any:
    with torch.device("meta"):
        return dilated_resnet(depth, **options)


@pytest.mark.parametrize(("depth", "counts"), [(50, (3, 4, 6, 3)), (101, (3, 4, 23, 3))])
def test_strides_and_dilations_are_the_published_ones(
    depth: Literal[50, 101], counts: tuple[int, ...]
) -> None:
    encoder = skeleton(depth)
    layers = (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4)
    assert tuple(map(len, layers)) == counts
    dilations = [[block.conv2.dilation[0] for block in layer] for layer in layers]
    assert dilations == [[1] * counts[0], [1] * counts[1], [2] * counts[2], [4, 8, 16]]
    assert all(block.conv2.padding == block.conv2.dilation for layer in layers for block in layer)
    strided = [
        name for name, module in encoder.named_modules() if getattr(module, "stride", 1) == TWO
    ]
    assert strided == ["conv1", "layer2.0.conv1", "layer2.0.downsample.0"]
    assert encoder.maxpool.stride == 2
    assert encoder.maxpool.ceil_mode


def test_the_stride_can_be_in_the_middle() -> None:
    block = skeleton(50, stride_on="middle").layer2[0]
    assert (block.conv1.stride, block.conv2.stride) == (ONE, TWO)


@pytest.mark.parametrize(
    ("side", "sides"), [(465, (233, 117, 59, 59, 59)), (512, (256, 129, 65, 65, 65))]
)
def test_maps_have_the_published_sizes(side: int, sides: tuple[int, ...]) -> None:
    maps = skeleton(50)(torch.zeros(1, 3, side, side, device="meta"))[1:]
    assert [tuple(m.shape[1:]) for m in maps] == [
        (channels, found, found)
        for channels, found in zip((64, 256, 512, 1024, 2048), sides, strict=True)
    ]


def test_weights_of_torchvision_fit(tmp_path: Any) -> None:
    torch.manual_seed(0)
    stem = torch.randn(64, 3, 7, 7)
    state = {
        key: torch.ones(value.shape, dtype=value.dtype)
        for key, value in skeleton(50).state_dict().items()
    }
    torch.save({**state, "conv1.weight": stem, "fc.weight": torch.zeros(1)}, tmp_path / "w.pth")
    for channels, wanted in ((3, stem), (1, stem.sum(dim=1, keepdim=True))):
        loaded = dilated_resnet(50, channels, weights=str(tmp_path / "w.pth")).state_dict()
        torch.testing.assert_close(loaded.pop("conv1.weight"), wanted)
        assert all((value == 1).all() for value in loaded.values())

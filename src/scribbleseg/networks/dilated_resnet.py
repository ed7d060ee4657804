"""ResNet with output stride 8 as in CDSP and CSPNet: multi-grid dilations, Caffe's strides.

It differs from the usual dilated ResNet in four places, none of which changes a weight's shape:

* the stride of a bottleneck is on its first 1x1 convolution, as in Caffe's models; torchvision has
  it on the 3x3 convolution. Only the first block of ``layer2`` has a stride here.
* the max pooling uses ceil mode: a side of 512 pixels becomes 129 cells, not 128.
* ``layer3`` has stride 1 and dilation 2 in every block, the first one included.
* ``layer4`` has stride 1 and dilations 4, 8, 16 (multi-grid, DeepLabV3, arXiv 1706.05587).

CDSP: "Scribble Hides Class", AAAI 2024, arXiv 2402.17555. CSPNet: arXiv 2503.13895.
"""

from typing import Any, Literal

from torch import nn

from scribbleseg.networks.weights import build_encoder

__all__ = ["dilated_resnet"]


def dilated_resnet(
    depth: Literal[50, 101],
    in_channels: int = 3,
    *,
    weights: str = "none",
    stride_on: Literal["first", "middle"] = "first",
) -> nn.Module:
    """The encoder, with the names of torchvision's ResNet.

    Args:
        depth: Layers.
        in_channels: Channels of the image.
        weights: Weights: none, imagenet, or a file.
        stride_on: The convolution of a bottleneck that has the stride: the first 1x1 (published) or
            the 3x3 in the middle (torchvision, with which the ImageNet weights were trained).

    Returns:
        Module from an image ``(B, in_channels, H, W)`` to six maps, finest first: the image, the
        stem with 64 channels at 1/2 of the size, ``layer1`` with 256 at 1/4, ``layer2``, ``layer3``
        and ``layer4`` with 512, 1024 and 2048 at 1/8.
    """
    encoder = build_encoder(f"resnet{depth}", weights, in_channels)
    resnet: Any = encoder  # its layers have no types
    resnet.maxpool.ceil_mode = True
    if stride_on == "first":
        strided = resnet.layer2[0]
        strided.conv1.stride, strided.conv2.stride = strided.conv2.stride, strided.conv1.stride
    blocks = len(resnet.layer3)
    for layer, dilations in ((resnet.layer3, [2] * blocks), (resnet.layer4, [4, 8, 16])):
        layer[0].conv2.stride = layer[0].downsample[0].stride = (1, 1)
        for block, dilation in zip(layer, dilations, strict=True):
            block.conv2.dilation = block.conv2.padding = (dilation, dilation)
    return encoder

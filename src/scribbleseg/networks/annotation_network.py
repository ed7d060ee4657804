"""What BLPSeg asks of a network: where an annotator would draw which class, beside the logits.

Wang et al., "BLPSeg: Balance the Label Preference in Scribble-Supervised Semantic Segmentation",
IEEE TIP 2023.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = ["AnnotationNetwork", "pixel_classifier"]


@runtime_checkable
class AnnotationNetwork(Protocol):
    """A network with a second head, which learns where annotators draw."""

    def with_annotation(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and annotation logits at the image's size.

        Args:
            image: ``(B, C, H, W)`` float.

        Returns:
            ``(B, K, H, W)``, and ``(B, K + 1, H, W)``: the softmax of the latter is the probability
            that the pixel is drawn as class ``k``, the last channel that it is not drawn. Its
            gradient reaches the second head only.
        """
        ...


def pixel_classifier(in_channels: int, channels: int, num_outputs: int) -> nn.Sequential:
    """Two hidden layers and a linear one, for each pixel on its own.

    Args:
        in_channels: Channels of the map.
        channels: Channels of the hidden layers, which have no bias.
        num_outputs: Channels of the result.

    >>> pixel_classifier(4, 2, 3)(torch.zeros(1, 4, 5, 7)).shape
    torch.Size([1, 3, 5, 7])
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 1, bias=False),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, num_outputs, 1),
    )

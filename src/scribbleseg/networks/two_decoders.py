"""A second decoder on the encoder of a network, as DMPLS trains it."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from scribbleseg.errors import ConfigError
from scribbleseg.networks.factory import NetworkFactory

__all__ = ["DecodingNetwork", "decoder_only"]


@runtime_checkable
class DecodingNetwork(Protocol):
    """A network whose encoder and decoder can be used one after the other.

    What only `encode` needs is its attribute ``encoder``.
    """

    stride: int
    """Pixels that divide the sides of what `encode` takes."""

    def encode(self, image: Tensor) -> list[Tensor]:
        """All maps ``(B, C_i, h_i, w_i)`` that the decoder takes from the encoder.

        Args:
            image: ``(B, in_channels, H, W)`` float; H and W multiples of ``stride``.
        """
        ...

    def decode(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits ``(B, num_classes, H, W)`` from these maps."""
        ...


def decoder_only(network: NetworkFactory, num_classes: int, in_channels: int) -> nn.Module:
    """A `DecodingNetwork` with new weights and without its encoder.

    Args:
        network: Makes the network.
        num_classes: Classes predicted, background included.
        in_channels: Channels of the image.

    Raises:
        ConfigError: Its encoder and decoder cannot be used one after the other.
    """
    made = network(num_classes, in_channels)
    if not isinstance(made, DecodingNetwork) or not hasattr(made, "encoder"):
        raise ConfigError(
            f"model.network: {type(made).__name__} has no encoder with encode(image) and "
            "decode(maps), behind which a second decoder could begin; take PlainUNet, UNet, "
            "DeepLabV3Plus or Segformer"
        )
    made.encoder = nn.Identity()
    return made

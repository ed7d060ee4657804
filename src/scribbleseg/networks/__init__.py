"""Networks: ``net(image) -> logits`` at the image's size, split into ``features`` and ``head``."""

from scribbleseg.networks.encoder_decoder import DeepLabV3Plus, Segformer, UNet
from scribbleseg.networks.multi_grid_deeplab import MultiGridDeepLab
from scribbleseg.networks.plain_unet import PlainUNet

__all__ = ["DeepLabV3Plus", "MultiGridDeepLab", "PlainUNet", "Segformer", "UNet"]

"""Networks: ``net(image) -> logits`` at the image's size, split into ``features`` and ``head``."""

from scribbleseg.networks.aggregated import Aggregated
from scribbleseg.networks.encoder_decoder import DeepLabV3Plus, UNet
from scribbleseg.networks.multi_grid_deeplab import MultiGridDeepLab
from scribbleseg.networks.plain_deeplab import PlainDeepLab
from scribbleseg.networks.plain_unet import PlainUNet
from scribbleseg.networks.segformer import Segformer
from scribbleseg.networks.toco_vit import ToCoViT
from scribbleseg.networks.upernet import AggregatedUPerNet

__all__ = [
    "Aggregated",
    "AggregatedUPerNet",
    "DeepLabV3Plus",
    "MultiGridDeepLab",
    "PlainDeepLab",
    "PlainUNet",
    "Segformer",
    "ToCoViT",
    "UNet",
]

"""The "DeepLabV2" of CSPNet (arXiv 2503.13895), also without rectification: head ``layer5``.

The network is that of CDSP; only the head's name differs, see `cdsp_deeplab`.
"""

from scribbleseg.exchange.checkpoint_layouts.cdsp_deeplab import deeplab_layout

__all__ = ["LAYOUT"]

LAYOUT = deeplab_layout("csp_deeplabv2", "DeepLabV2 of CSPNet", "layer5")

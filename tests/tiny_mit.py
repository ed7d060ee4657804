"""The miniature encoder of the golden vectors, under a name of segmentation_models_pytorch."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from segmentation_models_pytorch.encoders import encoders
from segmentation_models_pytorch.encoders.mix_transformer import (
    LayerNorm,
    MixVisionTransformerEncoder,
)
from torch import Tensor

from scribbleseg.networks import Segformer


def tiny_segformer(
    monkeypatch: pytest.MonkeyPatch,
    *,
    widths: Sequence[int] = (8, 16, 24, 32),
    heads: Sequence[int] = (1, 2, 3, 4),
    depths: Sequence[int] = (1, 1, 1, 1),
    **arguments: Any,
) -> partial[Segformer]:
    """A network of the last stride of PFA that waits for classes and channels."""
    params = {
        "out_channels": [3, 0, *widths],
        "patch_size": 4,
        "embed_dims": list(widths),
        "num_heads": list(heads),
        "mlp_ratios": [4, 4, 4, 4],
        "qkv_bias": True,
        "norm_layer": partial(LayerNorm, eps=1e-6),
        "depths": [int(depth) for depth in depths],
        "sr_ratios": [8, 4, 2, 1],
        "drop_rate": 0.0,
        "drop_path_rate": 0.0,
    }
    entry = {"encoder": MixVisionTransformerEncoder, "pretrained_settings": {}, "params": params}
    monkeypatch.setitem(encoders, "mit_tiny", entry)
    return partial(Segformer, encoder="mit_tiny", last_stride=1, **arguments)


def published_state(arrays: Any, beginning: str) -> dict[str, Tensor]:
    """The tensors of a case whose names begin so, without that."""
    return {
        name.removeprefix(beginning): torch.as_tensor(arrays[name])
        for name in arrays
        if name.startswith(beginning)
    }

"""How far features are from their rectified form (CDSP)."""

from torch import Tensor

from scribbleseg.losses.precision import at_least_float32

__all__ = ["rectification_loss"]


def rectification_loss(features: Tensor, rectified: Tensor) -> Tensor:
    """Squared difference, mean over the elements in which they differ.

    CDSP, Zhang et al., "Scribble Hides Class", AAAI 2024, loss of the localization rectification
    module. Gradients reach both arguments; the number of elements is a constant.

    Args:
        features: ``(B, C, h, w)`` float.
        rectified: ``(B, C, h, w)`` float; 0 where features are to vanish, as outside objects.

    Returns:
        Scalar >= 0; 0 with a gradient of 0 where nothing differs.

    >>> rectification_loss(torch.tensor([1.0, 2.0, 0.0]), torch.tensor([0.0, 0.0, 0.0]))
    tensor(2.5000)
    """
    residual = (at_least_float32(features) - at_least_float32(rectified)).square()
    return residual.sum() / (residual != 0).sum().clamp_min(1)

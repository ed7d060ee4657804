"""The fully connected conditional random field: labels follow the edges of the picture.

P. Krähenbühl and V. Koltun, Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials, NeurIPS 2011 (https://arxiv.org/abs/1210.5644). Every pixel is joined with every other
one, the more strongly the nearer they are in place and colour (eq. 3, with a Potts compatibility);
mean field (Algorithm 1) then filters the class probabilities again and again. Filters run on the
permutohedral lattice of A. Adams et al. (Eurographics 2010), compiled by numba at first use: no
compiler is needed. Numbers are those of pydensecrf, the library that published methods use.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from scribbleseg.errors import ConfigError, DataError

__all__ = ["CRF_PRESETS", "DenseCrf", "dense_crf", "exact_dense_crf"]

FLOOR = 1e-5
"""Smallest probability, as pydensecrf clips them; the unary is its negative logarithm."""

NARROWEST = 0.05  # standard deviation; narrower kernels join no two pixels, and strain float32
ROUNDING = 1e-4  # by which probabilities may leave 0..1
EXACT_PIXELS = 4096  # all pairs of more do not fit into memory


@dataclass(frozen=True)
class DenseCrf:
    """What joins the pixels of a dense CRF (eq. 3), and how often it is iterated.

    Args:
        iterations: Of mean field.
        gaussian_xy: Standard deviation of the kernel of position alone, pixels.
        gaussian_weight: Its weight; 0 leaves it out.
        bilateral_xy: Standard deviation in position of the kernel of position and colour, pixels.
        bilateral_rgb: Its standard deviation in each colour, grey levels of 0..255.
        bilateral_weight: Its weight; 0 leaves it out.

    >>> DenseCrf(bilateral_rgb=0.0)
    Traceback (most recent call last):
    scribbleseg.errors.ConfigError: bilateral_rgb is 0.0; expected at least 0.05
    """

    iterations: int = 10
    gaussian_xy: float = 3.0
    gaussian_weight: float = 3.0
    bilateral_xy: float = 80.0
    bilateral_rgb: float = 13.0
    bilateral_weight: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not isinstance(self.iterations, int) or self.iterations < 1:
            raise ConfigError(f"iterations is {self.iterations}; expected a whole number above 0")
        for name in ("gaussian_xy", "bilateral_xy", "bilateral_rgb"):
            value = getattr(self, name)
            if not NARROWEST <= value < math.inf:
                raise ConfigError(f"{name} is {value}; expected at least {NARROWEST}")
        for name in ("gaussian_weight", "bilateral_weight"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ConfigError(f"{name} is {value}; expected a number of 0 or more")


CRF_PRESETS: dict[str, DenseCrf] = {
    "toco": DenseCrf(),
    "toco_cam": DenseCrf(bilateral_xy=36.0, bilateral_rgb=3.0, bilateral_weight=4.0),
    "blpseg": DenseCrf(iterations=1, bilateral_xy=32.0),
    "deeplab": DenseCrf(
        gaussian_xy=1.0, gaussian_weight=1.0, bilateral_xy=121.0, bilateral_rgb=5.0,
        bilateral_weight=4.0,
    ),
}  # fmt: skip
"""Published settings.

``toco``: the CRF of ToCo's code (Ru et al., CVPR 2023), ten iterations of 3 px / 3 and 80 px, 13
grey levels / 10. ``toco_cam``: 36 px and 3 grey levels / 4 instead, with which the same code turns
activation maps into labels. ``blpseg``: one iteration with 32 px instead of 80, the tests of BLPSeg
and LPL. ``deeplab``: the setting usual since DeepLab, ten iterations of 1 px / 1 and 121 px, 5 grey
levels / 4; with it ToCo's *decoder* is evaluated."""


def dense_crf(
    prob: NDArray[np.floating],
    image: NDArray[np.uint8],
    crf: DenseCrf,
    *,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Class probabilities after mean field.

    ``Q_0 = softmax(-U)``, then ``Q <- softmax(-U + sum_m w_m D_m^-1/2 K_m D_m^-1/2 Q)`` with
    ``U = -log(clip(prob, 1e-5, 1))``; K_m(i, j) = exp(-|f_i - f_j|^2 / 2), also for i = j, f being
    position (and colour) in standard deviations, and D_m the row sums of K_m. K_m Q is
    approximated on the lattice.

    Classes without any probability above 1e-5 have the same Q as one another throughout, so that
    one of them is computed for all: exact, and twice as fast where an image holds three of 21
    classes. Each still gets its own (small) share of the result.

    Args:
        prob: ``(K, H, W)``, 0..1.
        image: ``(H, W, 3)`` uint8, or ``(H, W)`` for grey, whose one colour has the same standard
            deviation.
        crf: Kernels and iterations.
        threads: How many work on the image; the result does not depend on it, and more than 8 are
            of no use. None for as many as torch uses.

    Returns:
        ``(K, H, W)``, sums to 1 over K.

    >>> noisy = np.array([[[0.9, 0.8, 0.4, 0.9]], [[0.1, 0.2, 0.6, 0.1]]])
    >>> dense_crf(noisy, np.zeros((1, 4), np.uint8), DenseCrf(iterations=1))[0].round(2)
    array([[1., 1., 1., 1.]], dtype=float32)
    """
    largest = _check(prob, image)
    threads = torch.get_num_threads() if threads is None else threads
    if threads < 1:
        raise ConfigError(f"threads is {threads}; expected 1 or more")
    # Costs a second, which those who use no CRF need not pay.
    from scribbleseg.inference.mean_field import mean_field
    from scribbleseg.inference.parallel import workers
    from scribbleseg.inference.permutohedral import Filter, lattices

    absent = np.flatnonzero(largest <= FLOOR)
    computed = np.setdiff1d(np.arange(len(prob)), absent[1:])
    copies = np.ones(len(computed), np.float32)
    copies[np.isin(computed, absent)] = len(absent)
    maps = prob.reshape(len(prob), -1)
    if len(computed) < len(prob):
        maps = maps[computed]

    filters = [
        Filter(crf.bilateral_xy, crf.bilateral_rgb, crf.bilateral_weight),
        Filter(crf.gaussian_xy, None, crf.gaussian_weight),
    ]
    with workers(threads) as each:
        colors = image.reshape(*image.shape[:2], -1)
        used = lattices(colors, [wanted for wanted in filters if wanted.weight > 0], each)
        result = mean_field(
            np.ascontiguousarray(maps, np.float32),
            copies,
            used,
            floor=FLOOR,
            iterations=crf.iterations,
            each=each,
        )
    if len(computed) < len(prob):
        channel = np.searchsorted(computed, np.arange(len(prob)))
        channel[absent] = np.searchsorted(computed, absent[0])
        result = result[channel]
    return result.reshape(prob.shape)


def exact_dense_crf(
    prob: NDArray[np.floating], image: NDArray[np.uint8], crf: DenseCrf
) -> NDArray[np.float64]:
    """The same without approximation, over all pairs of pixels: the truth to test `dense_crf` by.

    Args:
        prob: ``(K, H, W)``, 0..1; at most 4096 pixels.
        image: ``(H, W, 3)`` or ``(H, W)`` uint8.
        crf: Kernels and iterations.

    Returns:
        ``(K, H, W)``, sums to 1 over K.

    >>> one_pixel = np.array([[[0.75]], [[0.25]]])
    >>> crf = DenseCrf(iterations=1, gaussian_weight=0.0, bilateral_weight=1.0)
    >>> p = exact_dense_crf(one_pixel, np.zeros((1, 1), np.uint8), crf)  # 3 e^0.75 : 1 e^0.25
    >>> p.ravel().round(4)
    array([0.8318, 0.1682])
    """
    _check(prob, image)
    classes, height, width = prob.shape
    if height * width > EXACT_PIXELS:
        raise DataError(
            f"{width}x{height} pixels; all pairs of more than {EXACT_PIXELS} are too many"
        )
    y, x = np.divmod(np.arange(height * width), width)
    colors = image.reshape(height * width, -1).T.astype(np.float64)
    place = np.stack([x, y]).astype(np.float64)
    log_prob = np.log(np.clip(prob.reshape(classes, -1), FLOOR, 1.0, dtype=np.float64))
    joined = np.zeros((height * width, height * width))
    for features, weight in (
        (place / crf.gaussian_xy, crf.gaussian_weight),
        (
            np.concatenate([place / crf.bilateral_xy, colors / crf.bilateral_rgb]),
            crf.bilateral_weight,
        ),
    ):
        distance = sum((axis[:, None] - axis[None]) ** 2 for axis in features)
        kernel = np.exp(-distance / 2)
        root = np.sqrt(kernel.sum(axis=1))
        joined += weight * kernel / (root[:, None] * root[None])
    q = _softmax(log_prob)
    for _ in range(crf.iterations):
        q = _softmax(log_prob + q @ joined)
    return q.reshape(prob.shape)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    power = np.exp(logits - logits.max(axis=0))
    normalised: NDArray[np.float64] = power / power.sum(axis=0)
    return normalised


def _check(prob: NDArray[np.floating], image: NDArray[np.uint8]) -> NDArray[np.floating]:
    """The largest probability of each class, if these are probabilities of that image."""
    if prob.ndim != 3 or prob.size == 0 or not np.issubdtype(prob.dtype, np.floating):
        raise DataError(
            f"prob is {prob.dtype} of shape {prob.shape}; expected float (classes, height, width)"
        )
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise DataError(
            f"image is {image.dtype} of shape {image.shape}; expected uint8 (height, width, 3) or "
            "(height, width)"
        )
    if image.shape[:2] != prob.shape[1:]:
        swapped = image.shape[:2] == prob.shape[:0:-1]
        raise DataError(
            f"image is {image.shape[1]}x{image.shape[0]} "
            f"but prob is {prob.shape[2]}x{prob.shape[1]}"
            + ("; were width and height swapped?" if swapped else "; resize one of them")
        )
    smallest = prob.min()
    largest: NDArray[np.floating] = prob.max(axis=(1, 2))
    if not (smallest >= -ROUNDING and largest.max() <= 1 + ROUNDING):  # also of NaN
        raise DataError(
            f"prob has values from {smallest:g} to {largest.max():g}; expected 0..1 (softmax first)"
        )
    return largest

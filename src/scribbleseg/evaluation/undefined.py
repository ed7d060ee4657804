"""Numbers that may be undefined: NaN in arrays, null in JSON, a dash in tables."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_of_defined", "ratio", "shown", "without_nan"]


def ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Quotients of counts; NaN where the whole is nothing.

    >>> ratio(np.array([1, 0]), np.array([4, 0]))
    array([0.25,  nan])
    """
    quotient: NDArray[np.float64] = np.full(whole.shape, np.nan)
    return np.divide(part, whole, out=quotient, where=whole > 0)


def mean_of_defined(values: NDArray[np.float64]) -> Any:
    """Mean along the first axis without NaN; NaN where nothing is defined.

    >>> mean_of_defined(np.array([[1, 2, np.nan], [3, np.nan, np.nan]]))
    array([ 2.,  2., nan])
    """
    defined = ~np.isnan(values)
    total, number = np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)[()]


def shown(value: float, digits: int = 3) -> str:
    """The number for a table.

    >>> shown(2 / 3), shown(float("nan"))
    ('0.667', '-')
    """
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def without_nan(value: Any) -> Any:
    """Plain lists, dicts and numbers for JSON, with None for NaN.

    >>> without_nan({"iou": np.array([0.5, np.nan])})
    {'iou': [0.5, None]}
    """
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value

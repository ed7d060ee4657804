"""Geometry of open polylines: their length, parts of them, and the unsteadiness of a hand."""

import cv2
import numpy as np

from scribbleseg.annotation.region import Floats

__all__ = ["deviate", "part", "polyline_length", "smoothed"]

SWAY = 25.0
"""Pixels of a stroke after which a hand's deviation is drawn anew."""


def polyline_length(points: Floats) -> float:
    """Length in pixels of a polyline.

    Args:
        points: ``(N, 2)``, x and y.

    >>> polyline_length(np.array([[0.0, 0], [3, 4], [3, 5]]))
    6.0
    """
    return float(_positions(points)[-1])


def part(points: Floats, keep: float, place: float = 0.5) -> Floats:
    """A contiguous part of a polyline.

    Args:
        points: ``(N, 2)``, x and y.
        keep: Share of the length, 0..1; 0 gives one point.
        place: Where the part lies: 0 at the start, 0.5 in the middle, 1 at the end.

    Returns:
        ``(M, 2)``.

    >>> part(np.array([[0.0, 0], [4, 0], [4, 4]]), 0.5).tolist()
    [[2.0, 0.0], [4.0, 0.0], [4.0, 2.0]]
    """
    if keep >= 1:
        return points
    position = _positions(points)
    start = place * (1 - keep) * position[-1]
    end = start + keep * position[-1]
    between = points[(position > start) & (position < end)]
    cuts = np.stack([np.interp([start, end], position, axis) for axis in points.T], axis=1)
    if start == end:
        return cuts[:1]
    return np.concatenate([cuts[:1], between, cuts[1:]])


def smoothed(points: Floats, tolerance: float) -> Floats:
    """The cubic B-spline through the corners that are left when a polyline is simplified.

    Args:
        points: ``(N, 2)``, x and y.
        tolerance: How far from the simplified polyline (Douglas and Peucker) a point may lie, in
            pixels; 0 changes nothing.

    Returns:
        ``(M, 2)``, about one point for each pixel of length. It begins and ends as ``points`` do.
    """
    if tolerance <= 0 or len(points) < 3:
        return points
    simple = cv2.approxPolyDP(points.astype(np.float32), tolerance, closed=False)
    corners = np.asarray(simple.reshape(-1, 2), np.float64)
    if len(corners) < 3:
        return corners
    # A tenth of a second, and only smooth strokes need it.
    from scipy.interpolate import splev, splprep

    spline, _ = splprep(corners.T, s=0, k=min(3, len(corners) - 1))
    places = np.linspace(0, 1, int(polyline_length(corners)) + 2)
    curve: Floats = np.stack(splev(places, spline), axis=1)
    return curve


def deviate(points: Floats, scale: float, rng: np.random.Generator) -> Floats:
    """A polyline as an unsteady hand follows it.

    The deviation is drawn every 25 pixels and changes evenly between. So a short line is shifted,
    and a long one sways.

    Args:
        points: ``(N, 2)``, x and y.
        scale: Standard deviation along each axis, in pixels.
        rng: Source of the deviation.
    """
    position = _positions(points)
    knots = np.linspace(0, position[-1], int(position[-1] / SWAY) + 1)
    drawn = rng.normal(0, scale, (len(knots), 2))
    sway: Floats = np.stack([np.interp(position, knots, axis) for axis in drawn.T], axis=1)
    return points + sway


def _positions(points: Floats) -> Floats:
    """Length of the polyline up to each point, ``(N,)``."""
    return np.cumsum(np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T))

"""How simulated scribbles are drawn.

One stroke is drawn for each object, inside it.

========  ==========================================================================================
style     what is drawn
========  ==========================================================================================
longest   the longest of all shortest paths along the object's skeleton
random    a path along the skeleton between two of its ends; long ones are more likely
boundary  between half and all of a contour that follows the outline a few pixels inside
mixed     for an object of one piece that takes a share of more than a tenth of the picture:
          ``boundary``, with that share as probability; for all others ``random``
point     a dot at the pixel farthest from the outline
block     an axis-aligned square in the middle, a third as wide as the largest that fits
========  ==========================================================================================
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from scribbleseg.annotation.randomness import check_share
from scribbleseg.errors import ConfigError

__all__ = ["Simulation", "Style"]

Style = Literal["longest", "random", "boundary", "mixed", "point", "block"]


@dataclass(frozen=True)
class Simulation:
    """How simulated scribbles are drawn.

    Args:
        style: What is drawn for an object.
        width: Of the brush in pixels, 1..255; the diameter of a dot.
        length: Share of the stroke that is kept, 0..1, around its middle; 0 leaves a dot. Of a
            block the share of its side.
        drop: Probability that an object gets no stroke. Of every class in a picture at least one
            object keeps its stroke.
        smooth: How far a stroke may leave its path to become a smooth curve, in pixels.
        jitter: Standard deviation in pixels by which an unsteady hand leaves the path.
        min_area: Objects of fewer pixels get a dot, whatever the style.
        background: What is drawn for class 0. ``skeleton``: the same as for objects, but ``random``
            instead of ``boundary``. ``contour``: loops around the objects. ``none``: nothing.
        per: ``instance``: a stroke for each object. ``class``: one for each class, in its largest
            region.
        noise: Standard deviation in pixels by which a stroke is moved without being held back by
            the outline: wrong labels, on purpose.

    Raises:
        ConfigError: A value is impossible.

    >>> Simulation("random", length=0.5).style
    'random'
    """

    style: Style = "longest"
    width: int = 3
    length: float = 1.0
    drop: float = 0.0
    smooth: float = 0.0
    jitter: float = 0.0
    min_area: int = 64
    background: Literal["skeleton", "contour", "none"] = "skeleton"
    per: Literal["instance", "class"] = "instance"
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        choices = {
            "style": get_args(Style),
            "background": ("skeleton", "contour", "none"),
            "per": ("instance", "class"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f"{name}: {getattr(self, name)!r} is none of {', '.join(allowed)}"
                )
        if not isinstance(self.width, int) or not 1 <= self.width <= 255:
            raise ConfigError(f"width: {self.width} is no width of a brush; expected 1..255")
        for name in ("length", "drop"):
            check_share(name, getattr(self, name))
        for name in ("smooth", "jitter", "min_area", "noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: {getattr(self, name)} pixels; expected 0 or more")

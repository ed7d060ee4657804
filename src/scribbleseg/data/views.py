"""Several views of one training image, for methods that compare them."""

from collections.abc import Sequence
from typing import Any

from torchvision.transforms import v2

from scribbleseg.data.transforms import RandomBlur

__all__ = ["VIEWS", "RandomColors", "Views"]

VIEWS = ("recolored", "other_view")
"""Pictures that `Views` adds to a sample, beside ``image``."""


class Views(v2.Transform):
    """The training picture, the same cut in other colours, and another cut of the whole picture.

    Geometry is drawn once for everything that belongs to the picture. Only then the picture and
    its copy get their own colours; labels never see these.

    Args:
        joint: Transforms of the whole sample: picture, labels and maps together.
        image: Transforms of the picture, after ``joint``, that move no pixel.
        recolored: The same for its copy, which becomes ``recolored``.
        other: Transforms of the untouched picture that make ``other_view``.
    """

    def __init__(
        self,
        joint: list[v2.Transform] | None = None,
        image: list[v2.Transform] | None = None,
        recolored: list[v2.Transform] | None = None,
        other: list[v2.Transform] | None = None,
    ) -> None:
        super().__init__()
        self.joint, self.image, self.recolored, self.other = (
            tuple(transforms or ()) for transforms in (joint, image, recolored, other)
        )

    def forward(self, *inputs: Any) -> Any:
        """A sample with its views."""
        (sample,) = inputs
        other_view = _all(self.other, sample["image"])
        sample = _all(self.joint, sample)
        picture = sample["image"]
        return {
            **sample,
            "image": _all(self.image, picture),
            "recolored": _all(self.recolored, picture),
            "other_view": other_view,
        }


class RandomColors(v2.Transform):
    """Other colours, as contrastive learning draws them: jitter, grey, blur and solarisation.

    Defaults are those of ToCo's training view (after DINO). Pictures of one channel keep their
    only colour.

    Args:
        jitter: Strength of brightness, contrast, saturation and hue, each 0 or more.
        jitter_p: How often colours are jittered, 0..1; the same for what follows.
        grey_p: How often the picture becomes grey.
        blur_p: How often it is blurred.
        blur_radius: Smallest and largest standard deviation of the blur, pixels.
        solarize_p: How often bright pixels (128 and above) are inverted.
    """

    def __init__(
        self,
        jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1),
        jitter_p: float = 0.8,
        grey_p: float = 0.2,
        blur_p: float = 1.0,
        blur_radius: tuple[float, float] = (0.1, 2.0),
        solarize_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.steps = v2.Compose(
            [
                v2.RandomApply([v2.ColorJitter(*jitter)], jitter_p),
                v2.RandomGrayscale(grey_p),
                RandomBlur(blur_p, blur_radius),
                v2.RandomSolarize(128, solarize_p),
            ]
        )

    def forward(self, *inputs: Any) -> Any:
        """A picture in other colours."""
        (image,) = inputs
        return self.steps(image)


def _all(transforms: Sequence[v2.Transform], sample: Any) -> Any:
    for transform in transforms:
        sample = transform(sample)
    return sample

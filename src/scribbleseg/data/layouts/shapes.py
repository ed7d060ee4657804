"""The embedded example: textured, overlapping shapes on textured ground, with simulated scribbles.

Six shapes, each in 30 to 50 % of the pictures, 96 x 96 pixels; 240 training, 40 validation and 100
test pictures, all drawn by this file from one seed. What makes it hard for strokes is what makes
real pictures hard:

* bands and scraps of the objects' own materials lie on the ground; only the dark rim tells an
  object from them;
* strokes stay inside the objects: no rim is ever drawn;
* background strokes exist in half of the pictures only, and cross little of what is misleading.

So partial cross entropy stays well below full masks here, and there is something to win for a
better method.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scribbleseg.annotation.label_image import write_label
from scribbleseg.data.layout import Layout

__all__ = ["LAYOUT", "draw_sample", "generate"]

SIZE = 96
COUNTS = {"train": 240, "val": 40, "test": 100}
SEED = 20240214

NAMES = ("background", "disc", "square", "triangle", "cross", "ring", "star")
HUES = (0.0, 20.0, 80.0, 140.0, 200.0, 260.0, 320.0)
PRESENCE = 0.42
BACKGROUND_STROKES = 0.5
BANDS, SCRAPS = 0.6, 1.0
RADIUS = (15.0, 27.0)
RIM = 4.0
CONTRAST, NOISE = 0.16, 0.03
STROKE_WIDTH, STROKE_MARGIN = 2, 6.0
IGNORE = 255

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]


def generate(root: Path) -> None:
    """Write the dataset, the same on every run; the folder appears when it is complete."""
    root.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        for folder in ("images", "scribbles", "masks", "ImageSets"):
            (building / folder).mkdir()
        for number, (split, count) in enumerate(COUNTS.items()):
            names = [f"{split}_{index:03d}" for index in range(count)]
            for index, name in enumerate(names):
                image, mask, scribble = draw_sample(np.random.default_rng([SEED, number, index]))
                Image.fromarray(image).save(building / "images" / f"{name}.png")
                write_label(building / "masks" / f"{name}.png", mask, LAYOUT.palette)
                write_label(building / "scribbles" / f"{name}.png", scribble, LAYOUT.palette)
            (building / "ImageSets" / f"{split}.txt").write_text(
                "\n".join(names) + "\n", encoding="utf-8"
            )
        building.chmod(0o755)  # a temporary folder is private
        try:
            building.rename(root)
        except OSError:
            if not root.is_dir():  # another process was first, with the same
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


LAYOUT = Layout(
    name="shapes",
    class_names=NAMES,
    palette=(
        (0, 0, 0),
        (230, 60, 60),
        (60, 180, 75),
        (70, 90, 240),
        (245, 180, 30),
        (190, 70, 220),
        (70, 210, 220),
    ),
    images="images",
    scribbles="scribbles",
    masks="masks",
    image_suffixes=(".png",),
    raster="simulated, curved strokes, 2 px",
    generate=generate,
)


def draw_sample(rng: np.random.Generator, size: int = SIZE) -> tuple[Bytes, Bytes, Bytes]:
    """One picture ``(H, W, 3)``, its mask and its scribble ``(H, W)``, all uint8.

    Args:
        rng: Source of all randomness.
        size: Height and width in pixels.
    """
    image = _ground(rng, size)
    for _ in range(rng.poisson(SCRAPS)):
        _paint(image, _scrap(rng, size), _material(rng, int(rng.integers(1, len(NAMES))), size))
    for _ in range(rng.poisson(BANDS)):
        _paint(image, _band(rng, size), _material(rng, int(rng.integers(1, len(NAMES))), size))

    classes = np.flatnonzero(rng.random(len(NAMES) - 1) < PRESENCE) + 1
    if len(classes) == 0:
        classes = rng.integers(1, len(NAMES), 1)
    rng.shuffle(classes)
    instance = np.zeros((size, size), np.int64)  # later objects cover earlier ones
    for number, index in enumerate(classes, start=1):
        outline = _outline(rng, NAMES[index], size)
        material = _material(rng, int(index), size)
        rim = outline & (_depth(outline) <= RIM)
        material[rim] = 0.25 * material[rim] + 0.075 + rng.normal(0, 0.06, (int(rim.sum()), 1))
        _paint(image, outline, material)
        instance[outline] = number
    light = 0.12 * _cloud(rng, size, size // 2)[..., None]
    image = image + light + rng.normal(0, NOISE, image.shape)

    mask = np.concatenate([[0], classes]).astype(np.uint8)[instance]
    scribble = np.full((size, size), IGNORE, np.uint8)
    for number, index in enumerate(classes, start=1):
        scribble[_stroke(rng, instance == number)] = index
    if rng.random() < BACKGROUND_STROKES:
        scribble[_stroke(rng, mask == 0)] = 0
    return np.clip(image * 255, 0, 255).astype(np.uint8), mask, scribble


def _paint(image: Floats, region: Bools, material: Floats) -> None:
    image[region] = material[region]


def _ground(rng: np.random.Generator, size: int) -> Floats:
    """Three pale materials in wobbly patches."""
    materials = []
    for _ in range(3):
        color = _rgb(rng.uniform(0, 360), rng.uniform(0.05, 0.12), rng.uniform(0.35, 0.75))
        patterns = (
            _cloud(rng, size, 2),
            _waves(rng, size, rng.uniform(3, 9), rng.uniform(0, np.pi)),
            _cloud(rng, size, 6),
        )
        materials.append(color + CONTRAST * np.clip(patterns[rng.integers(3)], -1, 1)[..., None])
    field = _cloud(rng, size, size // 3)
    patch = (field > -0.4).astype(int) + (field > 0.5)
    ground: Floats = np.choose(patch[..., None], materials)
    return ground


def _material(rng: np.random.Generator, index: int, size: int) -> Floats:
    """The colour and pattern of class ``index``, varied a little."""
    color = _rgb(HUES[index] + rng.normal(0, 4), rng.uniform(0.35, 0.6), rng.uniform(0.45, 0.75))
    if index % 3 == 0:
        pattern = _waves(rng, size, rng.uniform(4, 6), rng.uniform(0, np.pi))
    elif index % 3 == 1:
        pattern = _waves(rng, size, rng.uniform(5, 7), 0.0) * _waves(
            rng, size, rng.uniform(5, 7), np.pi / 2
        )
    else:
        pattern = np.clip(_cloud(rng, size, 3), -1, 1)
    return color + CONTRAST * pattern[..., None]


def _outline(rng: np.random.Generator, name: str, size: int) -> Bools:
    """The pixels of one object, at a random place, size and angle."""
    radius = rng.uniform(*RADIUS)
    center = rng.uniform(0.6 * radius, size - 0.6 * radius, 2)
    if name in {"disc", "ring"}:
        y, x = np.mgrid[:size, :size]
        distance = np.hypot(x - center[0], y - center[1])
        hole = 0.42 * radius if name == "ring" else -1.0
        round_outline: Bools = (distance <= radius) & (distance > hole)
        return round_outline
    if name == "cross":
        arm = 0.38
        quarter = np.array([[arm, 1], [arm, arm], [1, arm]])
        turn = np.array([[0, -1], [1, 0]])
        corners = 1.1 * np.concatenate(
            [quarter @ np.linalg.matrix_power(turn, k) for k in range(4)]
        )
    elif name == "star":
        corners = _corners(np.where(np.arange(10) % 2 == 0, 1.3, 0.62))
    else:
        corners = _corners(np.full(4, 1.15) if name == "square" else np.full(3, 1.3))
    angle = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return _polygon(center + radius * corners @ rotation.T, size)


def _scrap(rng: np.random.Generator, size: int) -> Bools:
    radii = rng.uniform(0.5, 1, 6) * rng.uniform(4, 7)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 6))
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
    return _polygon(rng.uniform(0, size, 2) + around, size)


def _band(rng: np.random.Generator, size: int) -> Bools:
    angle, (x0, y0), width = (
        rng.uniform(0, np.pi),
        rng.uniform(0.15 * size, 0.85 * size, 2),
        rng.uniform(7, 14),
    )
    y, x = np.mgrid[:size, :size]
    band: Bools = np.abs((x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)) < width / 2
    return band


def _stroke(rng: np.random.Generator, region: Bools) -> Bools:
    """A curved stroke between two far points inside; empty where the region is too narrow."""
    depth = _depth(region)
    if depth.max() < 2.5:
        return np.zeros_like(region)
    y, x = np.nonzero(depth >= min(STROKE_MARGIN, 0.6 * depth.max()))
    points = np.stack([x, y], axis=1).astype(float)
    start = points[rng.integers(len(points))]
    farthest = np.argsort(-((points - start) ** 2).sum(axis=1))[: max(1, len(points) // 8)]
    end = points[rng.choice(farthest)]
    middle = (start + end) / 2 + rng.normal(0, 2, 2)
    t = np.linspace(0, 1, 12)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    line = np.zeros(region.shape, np.uint8)
    cv2.polylines(
        line, [np.round(curve).astype(np.int32)], isClosed=False, color=1, thickness=STROKE_WIDTH
    )
    return (line > 0) & (depth >= 2)


def _depth(region: Bools) -> Floats:
    """Distance in pixels to the nearest pixel outside; outside the picture is outside."""
    padded = np.pad(region, 1).astype(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[1:-1, 1:-1], np.float32)


def _cloud(rng: np.random.Generator, size: int, cell: int) -> Floats:
    """Smooth noise of unit variance with blobs of about ``cell`` pixels."""
    coarse = rng.standard_normal((max(2, size // cell + 1),) * 2).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _waves(rng: np.random.Generator, size: int, period: float, angle: float) -> Floats:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    phase = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period)
    waves: Floats = np.sin(phase + rng.uniform(0, 2 * np.pi))
    return waves


def _corners(radii: NDArray[np.float64]) -> NDArray[np.float64]:
    angles = np.arange(len(radii)) * 2 * np.pi / len(radii)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]


def _polygon(corners: NDArray[np.float64], size: int) -> Bools:
    inside = np.zeros((size, size), np.uint8)
    cv2.fillPoly(inside, [np.round(corners * 16).astype(np.int32)], 1, shift=4)
    return inside > 0


def _rgb(hue: float, saturation: float, value: float) -> Floats:
    pixel = np.array([[[hue % 360, saturation, value]]], np.float32)
    color: Floats = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]
    return color

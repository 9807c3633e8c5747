"""Paints scenes: anti-aliased shapes on a plain background, thousands of pictures a second."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from suites.shapes.vocabulary import BACKGROUNDS, COLOURS, IMAGE_SIDE

SUPERSAMPLING = 8


@dataclass(frozen=True)
class Shape:
    """One shape: its kind, colour name, and box (left and top corner and side, in pixels)."""

    kind: str
    colour: str
    left: int
    top: int
    side: int


@dataclass(frozen=True)
class Scene:
    """A picture's content: up to four shapes and the index of the background tint."""

    shapes: tuple[Shape, ...]
    background: int = 0


def _polygon(x: np.ndarray, y: np.ndarray, corners: Sequence[tuple[float, float]]) -> np.ndarray:
    """Even-odd test of points against a polygon."""
    inside = np.zeros(x.shape, dtype=bool)
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        crosses = (y1 > y) != (y2 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    angles = np.pi * np.arange(10) / 5
    radii = np.where(np.arange(10) % 2 == 0, 1.05, 0.5)
    corners = [(float(r * np.sin(a)), float(0.08 - r * np.cos(a))) for r, a in zip(radii, angles, strict=True)]
    return _polygon(x, y, corners)


def _heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    lobes = ((np.abs(x) - 0.48) ** 2 + (y + 0.42) ** 2) < 0.5**2
    point = (y > -0.42) & (np.abs(x) * 1.32 + y < 0.93)
    return lobes | (point & (np.abs(x) < 0.98))


def _moon(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (((x - 0.15) ** 2 + y**2) < 0.97) & (((x - 0.62) ** 2 + y**2) > 0.62)


def _arrow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    shaft = (x > -0.98) & (x < 0.1) & (np.abs(y) < 0.3)
    head = (x >= 0.0) & (np.abs(y) < 0.95 * (1 - x))
    return shaft | head


OUTLINES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": lambda x, y: x**2 + y**2 < 0.94,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) < 0.86,
    "triangle": lambda x, y: (y < 0.86) & (y > -0.9) & (np.abs(x) < 0.56 * (y + 0.92)),
    "diamond": lambda x, y: np.abs(x) * 1.28 + np.abs(y) < 0.98,
    "star": _star,
    "heart": _heart,
    "cross": lambda x, y: (np.minimum(np.abs(x), np.abs(y)) < 0.28) & (np.maximum(np.abs(x), np.abs(y)) < 0.95),
    "ring": lambda x, y: (x**2 + y**2 < 0.94) & (x**2 + y**2 > 0.24),
    "moon": _moon,
    "arrow": _arrow,
}
"""Inside test of each kind on [-1, 1] x [-1, 1], y downwards."""


@cache
def mask(kind: str, side: int) -> np.ndarray:
    """Return the coverage of each pixel by the shape, [side, side] float32 in [0, 1]."""
    fine = (np.arange(side * SUPERSAMPLING) + 0.5) / (side * SUPERSAMPLING) * 2 - 1
    y, x = np.meshgrid(fine, fine, indexing="ij")
    inside = OUTLINES[kind](x, y).astype(np.float32)
    return inside.reshape(side, SUPERSAMPLING, side, SUPERSAMPLING).mean(axis=(1, 3))


def paint(scene: Scene) -> np.ndarray:
    """Return one picture [3, H, W], float32 in 0 to 255."""
    image_CHW = np.empty((3, IMAGE_SIDE, IMAGE_SIDE), dtype=np.float32)
    image_CHW[:] = np.asarray(BACKGROUNDS[scene.background], dtype=np.float32)[:, None, None]
    for shape in scene.shapes:
        patch = image_CHW[:, shape.top : shape.top + shape.side, shape.left : shape.left + shape.side]
        colour = np.asarray(COLOURS[shape.colour], dtype=np.float32)[:, None, None]
        patch += mask(shape.kind, shape.side) * (colour - patch)
    return image_CHW


def render(scenes: Sequence[Scene]) -> torch.Tensor:
    """Return the pictures of the scenes, uint8 [N, 3, H, W]."""
    images = np.empty((len(scenes), 3, IMAGE_SIDE, IMAGE_SIDE), dtype=np.uint8)
    for index, scene in enumerate(scenes):
        images[index] = np.rint(paint(scene))
    return torch.from_numpy(images)

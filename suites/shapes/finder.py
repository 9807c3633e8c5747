"""Finds the shapes of any picture: box, kind, colour and confidence, without weights.

The background is the median of the border; what differs from it falls into connected parts; each part's coverage is
brought to a fixed grid and compared with the renderer's own masks by soft overlap (intersection over union).

A well-formed shape is found with confidence above 0.9 (GenEval's threshold for counting). Blur, holes, a ragged
outline, mixed colours or an odd size lower the confidence gradually, past 0.3 (GenEval's other threshold) where the
kind is no longer clear. Shapes that touch are one part and match nothing well. A picture without shapes has no
detections.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from scipy import ndimage

from suites.shapes.renderer import mask
from suites.shapes.vocabulary import COLOUR_NAMES, COLOURS, KINDS

FOREGROUND_DISTANCE = 45.0
"""Colour distance (of 441) from the background at which a pixel belongs to a part."""
LEAST_PIXELS = 16
GRID = 20
PADDING = 2
PALETTE = np.asarray(list(COLOURS.values()), dtype=np.float32)


@dataclass(frozen=True)
class Found:
    """One part of a picture: its best kind and colour, box [x1, y1, x2, y2] in pixels, and confidence in 0 to 1."""

    kind: str
    colour: str
    box: tuple[float, float, float, float]
    confidence: float
    kind_scores: tuple[float, ...]
    """Soft overlap with each of KINDS, 0 to 1."""
    colour_scores: tuple[float, ...]
    """Nearness to each of COLOURS, 0 to 1."""
    form: float
    """How far size and evenness of colour are those of a shape, 0 to 1."""


def find(images: torch.Tensor) -> list[list[Found]]:
    """Return the parts of each picture, uint8 [N, 3, H, W] -> one list per picture, most confident first.

    Raises:
        ValueError: the pictures are not uint8 [N, 3, H, W].
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images are {images.dtype} {tuple(images.shape)}; give uint8 [N, 3, H, W]")
    pictures_NHWC = images.permute(0, 2, 3, 1).contiguous().numpy().astype(np.float32)
    return [_find_one(picture) for picture in pictures_NHWC]


def _find_one(picture_HWC: np.ndarray) -> list[Found]:
    border = np.concatenate([picture_HWC[0], picture_HWC[-1], picture_HWC[1:-1, 0], picture_HWC[1:-1, -1]])
    background = np.median(border, axis=0)
    away_HW = np.sqrt(((picture_HWC - background) ** 2).sum(axis=-1))
    labels_HW, count = ndimage.label(away_HW > FOREGROUND_DISTANCE)
    found = []
    for label, window in enumerate(ndimage.find_objects(labels_HW, count), start=1):
        inside = labels_HW[window] == label
        if inside.sum() >= LEAST_PIXELS:
            found.append(_describe(picture_HWC, away_HW, background, labels_HW, label, window))
    return sorted(found, key=lambda part: -part.confidence)


def _describe(
    picture_HWC: np.ndarray,
    away_HW: np.ndarray,
    background: np.ndarray,
    labels_HW: np.ndarray,
    label: int,
    window: tuple[slice, slice],
) -> Found:
    rows, columns = (slice(max(0, side.start - PADDING), side.stop + PADDING) for side in window)
    part = picture_HWC[rows, columns]
    inside = labels_HW[rows, columns] == label
    away = away_HW[rows, columns]
    core = inside & (away >= 0.8 * np.quantile(away[inside], 0.8))
    colour = np.median(part[core], axis=0)
    direction = (colour - background) / max(1.0, float(((colour - background) ** 2).sum()))
    coverage = np.clip((part - background) @ direction, 0, 1)
    other = (labels_HW[rows, columns] > 0) & ~inside
    coverage[other] = 0
    box = _box(coverage, inside, rows.start, columns.start)
    kind_scores = _kind_scores(coverage, box, rows.start, columns.start)
    colour_scores = np.exp(-((np.sqrt(((PALETTE - colour) ** 2).sum(axis=1)) / 70.0) ** 2))
    expected = background + coverage[..., None] * (colour - background)
    unevenness = float(np.sqrt((((part - expected) ** 2).sum(axis=-1))[inside].mean()))
    form = _fade(unevenness, 25.0, 75.0) * _size(max(box[2] - box[0], box[3] - box[1]))
    best, second = np.sort(kind_scores)[[-1, -2]]
    clear = _fade(1 - float(best), 0.14, 0.36) * _fade(float(second / max(best, 1e-9)), 0.93, 1.02)
    plain = _fade(1 - float(colour_scores.max()), 0.5, 0.95)
    return Found(
        kind=KINDS[int(kind_scores.argmax())],
        colour=COLOUR_NAMES[int(colour_scores.argmax())],
        box=box,
        confidence=clear * plain * form,
        kind_scores=tuple(map(float, kind_scores)),
        colour_scores=tuple(map(float, colour_scores)),
        form=form,
    )


def _fade(value: float, good: float, bad: float) -> float:
    """Return 1 up to `good`, 0 from `bad`, and a smooth step between."""
    position = min(1.0, max(0.0, (bad - value) / (bad - good)))
    return position * position * (3 - 2 * position)


def _size(side: float) -> float:
    """Return 1 for sides a shape can have (12 to 24 pixels), less outside."""
    return _fade(-side, -12.0, -8.0) * _fade(side, 24.0, 30.0)


def _box(coverage: np.ndarray, inside: np.ndarray, top: int, left: int) -> tuple[float, float, float, float]:
    solid = inside & (coverage > 0.5)
    if not solid.any():  # pieces of opposite colours, whose median is no colour of the part
        solid = inside
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return (
        float(columns[0] + left),
        float(rows[0] + top),
        float(columns[-1] + 1 + left),
        float(rows[-1] + 1 + top),
    )


def _kind_scores(coverage: np.ndarray, box: tuple[float, float, float, float], top: int, left: int) -> np.ndarray:
    grid = _normalise(coverage, (box[0] - left, box[1] - top, box[2] - left, box[3] - top)).ravel()
    aspect = np.log((box[2] - box[0]) / (box[3] - box[1]))
    templates, aspects = _templates()
    overlap = np.minimum(templates, grid).sum(axis=1) / np.maximum(templates, grid).sum(axis=1)
    overlap = overlap * np.exp(-((aspects - aspect) ** 2) / 0.15)
    scores: np.ndarray = overlap.reshape(len(KINDS), -1).max(axis=1)
    return scores


def _normalise(coverage: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Sample the coverage on a fixed grid over the box and a tenth of its side around it."""
    grid: np.ndarray = _samples(box[1], box[3], coverage.shape[0]) @ coverage
    return grid @ _samples(box[0], box[2], coverage.shape[1]).T


@lru_cache(maxsize=4096)
def _samples(low: float, high: float, length: int) -> np.ndarray:
    """Return the bilinear weights [GRID, length] of evenly spaced points from just below `low` to just above `high`."""
    extra = (high - low) * 0.1
    points = low - extra + (np.arange(GRID) + 0.5) / GRID * (high - low + 2 * extra) - 0.5
    weights = np.maximum(0, 1 - np.abs(points[:, None] - np.arange(length)[None]))
    return weights.astype(np.float32)


@lru_cache(maxsize=1)
def _templates() -> tuple[np.ndarray, np.ndarray]:
    """Return masks of each kind (both sizes, sharp and a little soft) [kinds * 4, GRID**2] and their log aspects."""
    grids, aspects = [], []
    for kind in KINDS:
        for side, blur in product((16, 20), (0.0, 0.9)):
            coverage = ndimage.gaussian_filter(np.pad(mask(kind, side), 4), blur)
            box = _box(coverage, coverage > 0.2, 0, 0)
            grids.append(_normalise(coverage, box).ravel())
            aspects.append(np.log((box[2] - box[0]) / (box[3] - box[1])))
    return np.stack(grids), np.asarray(aspects)

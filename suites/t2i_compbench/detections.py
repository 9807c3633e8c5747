"""What a detector found, as T2I-CompBench's rules take it: a label, a score and a box in a frame of about 480 pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHORT_SIDE, LONG_SIDE = 479, 480
"""T2I-CompBench looks at pictures this large, and its distances are in these pixels."""
PEOPLE = ("girl", "boy", "man", "woman")

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the frame, y down."""


@dataclass(frozen=True)
class Found:
    """One detection; rules take detections in the order of their scores, best first."""

    label: str
    score: float
    box: Box


def frame(height: int, width: int) -> tuple[int, int]:
    """The frame's height and width: the short side 479 unless the long one would exceed 480."""
    short, long = min(height, width), max(height, width)
    scaled = (SHORT_SIDE, int(SHORT_SIDE * long / short))
    if scaled[1] > LONG_SIDE:
        scaled = (max(1, int(LONG_SIDE * scaled[0] / scaled[1])), LONG_SIDE)
    return scaled if height <= width else (scaled[1], scaled[0])


def known_as(name: str) -> str:
    """The word the detector is asked for: people are persons."""
    return "person" if name in PEOPLE else name


def overlap(a: Box, b: Box) -> float:
    """Intersection over union; 0 where neither box has an area."""
    width, height = (max(0.0, min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis])) for axis in (0, 1))
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - width * height
    return width * height / union if union else 0.0


def first_in(words: Iterable[str], prompt: str) -> str | None:
    """The first of these words that the prompt contains."""
    return next((word for word in words if word in prompt), None)

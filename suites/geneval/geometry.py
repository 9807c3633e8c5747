"""How GenEval relates two boxes: relative position and overlap. Boxes are [x1, y1, x2, y2] in pixels, y down."""

from collections.abc import Sequence

import numpy as np

Box = Sequence[float]

POSITION_THRESHOLD = 0.1
"""How far centres must be apart on an axis before it counts, as a fraction of the two boxes' summed size."""


def relations(box_a: Box, box_b: Box, threshold: float = POSITION_THRESHOLD) -> set[str]:
    """Say where A is with respect to B: none, one, or (on a diagonal) two of left of, right of, above, below."""
    corners_a, corners_b = (np.asarray(box, dtype=np.float64).reshape(2, 2) for box in (box_a, box_b))
    offset = corners_a.mean(axis=0) - corners_b.mean(axis=0)
    sizes = np.abs(corners_a[1] - corners_a[0]) + np.abs(corners_b[1] - corners_b[0])
    reduced = np.sign(offset) * np.maximum(np.abs(offset) - threshold * sizes, 0)
    if np.all(np.abs(reduced) < 1e-3):
        return set()
    # Divided by the length of the whole offset, not of the reduced one: a near miss must not become a unit vector.
    dx, dy = reduced / np.linalg.norm(offset)
    holds = {"left of": dx < -0.5, "right of": dx > 0.5, "above": dy < -0.5, "below": dy > 0.5}
    return {relation for relation, true in holds.items() if true}


def overlap(box_a: Box, box_b: Box) -> float:
    """Intersection over union with GenEval's inclusive pixel edges (a box from 0 to 9 is ten pixels wide)."""
    intersection = _area(
        (max(box_a[0], box_b[0]), max(box_a[1], box_b[1]), min(box_a[2], box_b[2]), min(box_a[3], box_b[3]))
    )
    union = _area(box_a) + _area(box_b) - intersection
    return intersection / union if union else 0.0


def _area(box: Box) -> float:
    return max(box[2] - box[0] + 1, 0) * max(box[3] - box[1] + 1, 0)

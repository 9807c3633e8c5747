"""T2I-CompBench's rule for positions in depth (Huang et al. 2025, arXiv 2307.06350v3; UniDet_eval/3D_spatial_eval.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from suites.t2i_compbench.detections import Box, Found, first_in, known_as, overlap

RELATIONS = ("in front of", "behind", "hidden")
FULL_OVERLAP = 0.5


def relation_of(prompt: str) -> str | None:
    """The relation that a prompt asks for."""
    return first_in(RELATIONS, prompt)


def depth_score(relation: str | None, box1: Box, box2: Box, depth_HW: np.ndarray) -> float:
    """How far the first box lies where the relation wants it, 0 to 1; larger depths are nearer.

    The published rule takes a box's columns for rows and its rows for columns when it averages the depth, and so does this.
    """
    shared = overlap(box1, box2)
    if relation is None or shared == 0 or shared == FULL_OVERLAP:
        return 0.0
    nearer = _mean_depth(box1, depth_HW) - _mean_depth(box2, depth_HW)
    right_order = nearer > 0 if relation == "in front of" else nearer < 0
    return min(1.0, shared / FULL_OVERLAP) if right_order else 0.0


def _mean_depth(box: Box, depth_HW: np.ndarray) -> float:
    """NaN, which is in no order with anything, where the box taken so lies outside of the picture."""
    x1, y1, x2, y2 = (int(edge) for edge in box)
    part = depth_HW[x1:x2, y1:y2]
    return float(part.mean()) if part.size else float("nan")


def spatial_3d_score(
    relation: str | None, pair: tuple[str, str], found: Sequence[Found], depth_HW: np.ndarray
) -> float:
    """A picture's score, 0 to 1: a quarter of either object's detection score and half of the position's; nothing is cut.

    A name counts as found where it is part of a label. Where both are, the last detection of each counts up to the one
    with which the pair is complete; where one is, its first.
    """
    one, two = _pair(found, *(known_as(name) for name in pair))
    score = sum(0.25 * each.score for each in (one, two) if each is not None)
    if one is not None and two is not None:
        score += depth_score(relation, one.box, two.box, depth_HW) / 2
    return score


def _pair(found: Sequence[Found], name1: str, name2: str) -> tuple[Found | None, Found | None]:
    firsts = [next((n for n, each in enumerate(found) if name in each.label), None) for name in (name1, name2)]
    if None in firsts:
        one, two = (None if first is None else found[first] for first in firsts)
        return one, two
    complete = found[: max(first for first in firsts if first is not None) + 1]
    one, two = ([each for each in complete if name in each.label][-1] for name in (name1, name2))
    return one, two

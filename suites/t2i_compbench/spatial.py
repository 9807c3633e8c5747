"""T2I-CompBench's rule for positions in the plane (Huang et al. 2023, arXiv 2307.06350; UniDet_eval/2D_spatial_eval.py)."""

from __future__ import annotations

from collections.abc import Sequence

from suites.t2i_compbench.detections import Box, Found, first_in, known_as, overlap

RELATIONS = (
    "on side of", "next to", "near", "on the left of", "on the right of", "on the bottom of", "on the top of", "on top of",
)  # fmt: skip
"""In the order in which they are looked for in a prompt. The rules give "on top of" no score, and so does this."""
NEXT_TO = ("on side of", "next to", "near")
NEAR_PIXELS = 150.0
MOST_OVERLAP = 0.1
LEAST_SCORE = 0.5
"""Anything lower counts as nothing."""


def relation_of(prompt: str) -> str | None:
    """The relation that a prompt asks for."""
    return first_in(RELATIONS, prompt)


def position_score(relation: str | None, box1: Box, box2: Box) -> float:
    """How far the first box is where the relation wants it with respect to the second, 0 to 1."""
    dx, dy = ((box2[axis] + box2[axis + 2]) / 2 - (box1[axis] + box1[axis + 2]) / 2 for axis in (0, 1))
    if relation in NEXT_TO:
        near = abs(dx) < NEAR_PIXELS or abs(dy) < NEAR_PIXELS
        return 1.0 if near else NEAR_PIXELS / max(abs(dx), abs(dy))
    right_side = {
        "on the right of": dx < 0 and abs(dx) > abs(dy),
        "on the left of": dx > 0 and abs(dx) > abs(dy),
        "on the bottom of": dy < 0 and abs(dy) > abs(dx),
        "on the top of": dy > 0 and abs(dy) > abs(dx),
    }
    if not right_side.get(relation or "", False):
        return 0.0
    shared = overlap(box1, box2)
    return 1.0 if shared < MOST_OVERLAP else MOST_OVERLAP / shared


def spatial_score(relation: str | None, pair: tuple[str, str], found: Sequence[Found]) -> float:
    """A picture's score, 0 or 0.5 to 1: a quarter of either object's detection score and half of the position's.

    Of each name the first detection under exactly that label counts.
    """
    one, two = (next((each for each in found if each.label == known_as(name)), None) for name in pair)
    score = sum(0.25 * each.score for each in (one, two) if each is not None)
    if one is not None and two is not None:
        score += position_score(relation, one.box, two.box) / 2
    return score if score >= LEAST_SCORE else 0.0

"""The embedded version of T2I-CompBench: five of its categories in the shapes vocabulary, graded exactly."""

from __future__ import annotations

from functools import cache

import numpy as np

from suites.base import Prompt
from suites.shapes.phrases import Need, colours, draw_set, kinds, need, related, relation, words

EACH, SEED = 40, 43
MEASURES = {
    "color": "two kinds, each bound to its own colour",
    "shape": "two or three kinds together: here a shape is the object itself, not an attribute of one",
    "spatial": "one kind left of, right of, above or below another",
    "numeracy": "exact numbers of one or two kinds, at most four shapes in all",
    "complex": "a number, a colour and a relation joined: two coloured kinds related, or a counted coloured kind beside another",
}
"""Task to what it measures. The shapes world has no texture, depth or action, so those categories have no embedded version."""


def _color(rng: np.random.Generator) -> tuple[str, list[Need]]:
    needs = [need(kind, colour) for kind, colour in zip(kinds(rng, 2), colours(rng, 2), strict=True)]
    return " and ".join(map(words, needs)), needs


def _shape(rng: np.random.Generator) -> tuple[str, list[Need]]:
    needs = [need(kind) for kind in kinds(rng, int(rng.integers(2, 4)))]
    return " and ".join(map(words, needs)), needs


def _spatial(rng: np.random.Generator) -> tuple[str, list[Need]]:
    first, second = (need(kind) for kind in kinds(rng, 2))
    how = relation(rng)
    return f"{words(first)} {how} {words(second)}", related(first, how, second)


def _numeracy(rng: np.random.Generator) -> tuple[str, list[Need]]:
    first, second = kinds(rng, 2)
    most = int(rng.integers(2, 5))
    needs = [need(first, count=most)] + ([need(second, count=int(rng.integers(1, 5 - most)))] if most < 4 else [])
    return " and ".join(map(words, needs)), needs


def _complex(rng: np.random.Generator) -> tuple[str, list[Need]]:
    (one, other), (colour, another) = kinds(rng, 2), colours(rng, 2)
    if rng.integers(2):
        how = relation(rng)
        first, second = need(one, colour), need(other, another)
        return f"{words(first)} {how} {words(second)}", related(first, how, second)
    needs = [need(one, colour, int(rng.integers(2, 4))), need(other, another)]
    return " and ".join(map(words, needs)), needs


@cache
def shapes_prompts() -> tuple[Prompt, ...]:
    """Forty prompts of each category, the same on every machine."""
    tasks = {"color": _color, "shape": _shape, "spatial": _spatial, "numeracy": _numeracy, "complex": _complex}
    return draw_set(tasks, EACH, SEED)

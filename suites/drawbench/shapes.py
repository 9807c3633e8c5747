"""The embedded version of DrawBench: six of its questions in the shapes vocabulary, graded exactly."""

from __future__ import annotations

from functools import cache

import numpy as np

from suites.base import Prompt
from suites.geneval.wording import plural, with_article
from suites.shapes.phrases import Need, colours, draw_set, kinds, need, related, relation, words

EACH, SEED = 30, 43
MEASURES = {
    "colors": "one kind in one colour, in GenEval's own words",
    "counting": "exact numbers: two to four of a kind, or one of a kind beside several of another",
    "positional": "two coloured kinds, one left of, right of, above or below the other",
    "conflicting": "attributes that pull on one word: one kind in two colours, or two kinds in one colour; training captions have neither",
    "descriptions": "long: three coloured kinds, or two related ones and a third; the embedded models read five words besides "
    "a, an, and, of, photo, so the end is cut off and part of what is asked cannot be known to them",
    "wording": "known words put as no training caption puts them (the colour after the kind, the relation first), "
    "and synonyms that are no words to the embedded models",
}
"""Task to what it measures. DrawBench's misspellings, rare words, text and free prompts have no exact verdict and no embedded version."""

_SYNONYMS = {"circle": "disc", "square": "box", "diamond": "rhombus", "ring": "hoop", "moon": "crescent", "cross": "plus"}


def _colors(rng: np.random.Generator) -> tuple[str, list[Need]]:
    asked = need(kinds(rng, 1)[0], colours(rng, 1)[0])
    return words(asked), [asked]


def _counting(rng: np.random.Generator) -> tuple[str, list[Need]]:
    first, second = kinds(rng, 2)
    if rng.integers(2):
        needs = [need(first, count=int(rng.integers(2, 5)))]
    else:
        needs = [need(first), need(second, count=int(rng.integers(2, 4)))]
    return " and ".join(map(words, needs)), needs


def _positional(rng: np.random.Generator) -> tuple[str, list[Need]]:
    first, second = (need(kind, colour) for kind, colour in zip(kinds(rng, 2), colours(rng, 2), strict=True))
    how = relation(rng)
    return f"{words(first)} {how} {words(second)}", related(first, how, second)


def _conflicting(rng: np.random.Generator) -> tuple[str, list[Need]]:
    (one, other), (colour, another) = kinds(rng, 2), colours(rng, 2)
    needs = [need(one, colour), need(one, another)] if rng.integers(2) else [need(one, colour), need(other, colour)]
    return " and ".join(map(words, needs)), needs


def _descriptions(rng: np.random.Generator) -> tuple[str, list[Need]]:
    first, second, third = (need(kind, colour) for kind, colour in zip(kinds(rng, 3), colours(rng, 3), strict=True))
    if rng.integers(2):
        return " and ".join(map(words, (first, second, third))), [first, second, third]
    how = relation(rng)
    return f"{words(first)} {how} {words(second)} and {words(third)}", [*related(first, how, second), third]


def _wording(rng: np.random.Generator) -> tuple[str, list[Need]]:
    (one, other), (colour, another) = kinds(rng, 2), colours(rng, 2)
    form = rng.integers(4)
    if form == 0:
        needs = [need(one, colour), need(other, another)]
        return f"{with_article(one)} of {colour} and {with_article(other)} of {another}", needs
    if form == 1:
        how = relation(rng)
        text = f"{how} {with_article(other)} {with_article(one)}"
        return text, related(need(one), how, need(other))
    if form == 2:
        count = ("two", 2) if rng.integers(2) else ("three", 3)
        return f"{plural(one)} {colour} {count[0]}", [need(one, colour, count[1])]
    known = list(_SYNONYMS)[int(rng.integers(len(_SYNONYMS)))]
    return f"{with_article(colour)} {_SYNONYMS[known]}", [need(known, colour)]


@cache
def shapes_prompts() -> tuple[Prompt, ...]:
    """Thirty prompts of each task, the same on every machine."""
    tasks = {
        "colors": _colors, "counting": _counting, "positional": _positional,
        "conflicting": _conflicting, "descriptions": _descriptions, "wording": _wording,
    }  # fmt: skip
    return draw_set(tasks, EACH, SEED)

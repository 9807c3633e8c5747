"""T2I-CompBench's rule for numbers of objects (Huang et al. 2025, arXiv 2307.06350v3; UniDet_eval/numeracy_eval.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from suites.t2i_compbench.detections import Box, Found

ONE = ("a", "an", "one")
NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
    "eighteen": 18, "nineteen": 19, "twenty": 20,
}  # fmt: skip
"""As word2number reads them, and digits besides. The published script looks at none above eight, and its prompts have none."""
ALIASES = {
    "boy": "person", "girl": "person", "man": "person", "woman": "person", "people": "person", "ship": "boat",
    "telivision": "tv", "goldfish": "fish", "painting": "picture",
}  # fmt: skip
"""What the detector calls an object; the spelling is the published one, so that "television" stays as it is.

The published script has boys, girls, men and women as persons here as well as in the plane.
"""
SAME = 0.9
"""Boxes of one label that share, or contain, this much of one another are one object."""

Wanted = tuple[str, int | None]
"""An object's name and how many; None where the prompt's number is no number, which no picture can satisfy."""


def wanted(prompt: str, plurals: Mapping[str, str]) -> list[Wanted]:
    """The objects a prompt counts, in its order, in capitals or not; `plurals` maps every singular that is known to its plural."""
    singular = {many: one for one, many in plurals.items()}
    words = re.findall(r"\w+|[^\w\s]", prompt.lower())
    found: list[Wanted] = []
    for place, number in enumerate(words):
        count = _count(number)
        single = number in ONE or count == 1
        if count is None and not single:
            continue
        # Two words are an object's name only where they do not end the prompt, as published.
        pair = " ".join(words[place + 1 : place + 3]) if place < len(words) - 2 else ""
        word = words[place + 1] if place + 1 < len(words) else ""
        if pair in plurals or pair in singular:
            several = pair in singular and not single
            found.append((singular[pair], count) if several else (pair, 1))
        elif word in plurals and single:
            found.append((word, 1))
        elif word in singular:
            found.append((singular[word], count))
    return found


def _count(word: str) -> int | None:
    """A number of at least one, written out or in digits."""
    return NUMBERS.get(word) or (int(word) or None if re.fullmatch("[0-9]{1,9}", word) else None)


def distinct(found: Sequence[Found]) -> list[Found]:
    """Detections without those that repeat an earlier one of the same label."""
    kept: list[Found] = []
    for each in found:
        if not any(each.label == other.label and _same(each.box, other.box) for other in kept):
            kept.append(each)
    return kept


def _same(a: Box, b: Box) -> bool:
    width, height = (max(0.0, min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis]) + 1) for axis in (0, 1))
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    shared = width * height
    return shared / (sum(areas) - shared) > SAME or any(shared / area > SAME for area in areas)


def numeracy_score(objects: Sequence[Wanted], found: Sequence[Found]) -> float:
    """A picture's score, 0 to 1: objects weigh the same, half of each for being there and half for the exact number.

    A name that is no label takes over every label it is part of, as in the published script: where no dog is found, a hot dog
    is one, and no hot dog to the names after it. NaN where nothing is counted.
    """
    if not objects:
        return float("nan")
    labels = [each.label for each in distinct(found)]
    score = 0.0
    for name, number in objects:
        known = ALIASES.get(name, name)
        if known not in labels:
            labels = [known if known in label else label for label in labels]
        if known in labels:
            score += 0.5 / len(objects)
            if labels.count(known) == number:
                score += 0.5 / len(objects)
    return score

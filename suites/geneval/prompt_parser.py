"""What a prompt in GenEval's form asks for, read from its words; a prompt of any other wording is not read at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from suites.geneval.vocabulary import Vocabulary
from suites.geneval.wording import RELATIONS, plural

OPENING = "a photo of "
_ARTICLES = ("a", "an", "one")
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_IRREGULAR = {"person": "people", "knife": "knives", "mouse": "mice"}
_MIRRORED = {"right of": "left of", "below": "above"}

Object = tuple[str, str | None]
"""Class and colour."""
Relation = tuple[Object, str, Object]
"""The first is left of, or above, the second."""


@dataclass(frozen=True)
class Asked:
    """Objects with their numbers, and relations between them."""

    counts: Counter[Object]
    relations: frozenset[Relation] = frozenset()


def related(first: Object, relation: str, second: Object) -> Relation:
    """The same for both ways of saying it: "a right of b" is "b left of a"."""
    return (second, _MIRRORED[relation], first) if relation in _MIRRORED else (first, relation, second)


def plurals(name: str) -> tuple[str, ...]:
    """What several of a class may be called: GenEval's own plural, the English one, or the word unchanged, such as "sheep"."""
    *before, last = name.split(" ")
    sibilant = last.endswith(("s", "x", "z", "ch", "sh"))
    english = _IRREGULAR.get(last) or (f"{last}es" if sibilant else f"{last}s")
    return name, plural(name), " ".join([*before, english])


def read(text: str, words: Vocabulary) -> Asked | None:
    """What "a photo of …" asks for; None where a single word of it is not of GenEval's form, numbers up to ten included."""
    if not text.startswith(OPENING):
        return None
    said = text.removeprefix(OPENING)
    for relation in RELATIONS:
        first, between, second = said.partition(f" {relation} ")
        if between:
            a, b = _object(first, words), _object(second, words)
            if a is None or b is None or (a[1], b[1]) != (1, 1):
                return None
            return Asked(_summed([a, b]), frozenset([related(a[0], relation, b[0])]))
    parts = [_object(part, words) for part in re.split(r", and |, | and ", said)]
    known = [part for part in parts if part is not None]
    return Asked(_summed(known)) if len(known) == len(parts) else None


def _summed(parts: Iterable[tuple[Object, int]]) -> Counter[Object]:
    counts: Counter[Object] = Counter()
    for thing, count in parts:
        counts[thing] += count
    return counts


def _object(part: str, words: Vocabulary) -> tuple[Object, int] | None:
    """An object and its number, of "a red bus" or "five knives"."""
    number, _, name = part.partition(" ")
    if number not in _ARTICLES and number not in _NUMBERS:
        return None
    count = _NUMBERS.get(number, 1)
    forms = {form: known for known in words.objects for form in (plurals(known) if count > 1 else (known,))}
    if name in forms:
        return (forms[name], None), count
    color, _, rest = name.partition(" ")
    return ((forms[rest], color), count) if color in words.colors and rest in forms else None

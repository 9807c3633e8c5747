"""Records that no picture can satisfy, or whose words say something else than their requirements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from suites.geneval.prompt_parser import OPENING, Asked, Object, read, related
from suites.geneval.vocabulary import Vocabulary
from suites.geneval.wording import TAGS

_PAIRS = ("two_object", "position", "color_attr")
_NEEDS = {"colors": "color", "color_attr": "color", "position": "position"}


def contradiction(record: Mapping[str, Any], words: Vocabulary) -> str:
    """How a checked record contradicts itself, "" where it does not.

    Words are compared where all of them are of GenEval's form ("a photo of …"); other wordings are the user's affair.
    """
    tag, include = record["tag"], record["include"]
    asked = _asked(include)
    for ban in record.get("exclude", ()):
        least = sum(count for (name, color), count in asked.counts.items() if name == ban["class"] and ban.get("color") in (None, color))
        if least >= ban["count"]:
            return f"metadata contradicts itself: it asks for {least} {ban['class']} and excludes {ban['count']}"
    lacking = _NEEDS.get(tag)
    if lacking and not any(lacking in need for need in include):
        return f"metadata contradicts itself: tag {tag} without {lacking}"
    text = str(record.get("prompt", ""))
    if tag not in TAGS or not text.startswith(OPENING):
        return ""
    if tag in _PAIRS and len(include) < 2:
        return f"metadata contradicts itself: tag {tag} with a single requirement"
    said = read(text, words)
    if said is None or said == asked:
        return ""
    unsaid = next((name for name, _ in asked.counts if name not in {each for each, _ in said.counts}), None)
    if unsaid is not None:
        return f"metadata contradicts itself: prompt {text!r} names no {unsaid}"
    for (name, color), count in said.counts.items():
        if color and (name, color) not in asked.counts and asked.counts[name, None] == count:
            return f'metadata contradicts itself: prompt {text!r} but {name} of any color required: add "color": "{color}" to it'
    return f"metadata contradicts itself: prompt {text!r} but {_listed(asked)} required"


def _asked(include: Sequence[Mapping[str, Any]]) -> Asked:
    things: list[Object] = [(need["class"], need.get("color")) for need in include]
    counts: Counter[Object] = Counter()
    for thing, need in zip(things, include, strict=True):
        counts[thing] += need["count"]
    placed = [(thing, *need["position"]) for thing, need in zip(things, include, strict=True) if "position" in need]
    return Asked(counts, frozenset(related(thing, relation, things[target]) for thing, relation, target in placed))


def _listed(asked: Asked) -> str:
    objects = [f"{count} {_named(thing)}" for thing, count in asked.counts.items()]
    return " and ".join([*objects, *(f"{_named(a)} {relation} {_named(b)}" for a, relation, b in asked.relations)])


def _named(thing: Object) -> str:
    name, color = thing
    return f"{color} {name}" if color else name

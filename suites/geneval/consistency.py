"""Records that no picture can satisfy, or whose words say something else than their requirements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suites.geneval.wording import TAGS, prompt_of

_OPENING = "a photo of "
_PAIRS = ("two_object", "position", "color_attr")
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_NEEDS = {"colors": "color", "color_attr": "color", "position": "position"}


def contradiction(record: Mapping[str, Any]) -> str:
    """How a checked record contradicts itself, "" where it does not.

    Words are compared where they are GenEval's own ("a photo of …"); other wordings are the user's affair.
    """
    tag, include = record["tag"], record["include"]
    asked: dict[tuple[str, Any], int] = {}
    for need in include:
        key = (need["class"], need.get("color"))
        asked[key] = asked.get(key, 0) + need["count"]
    for ban in record.get("exclude", ()):
        least = sum(count for (name, color), count in asked.items() if name == ban["class"] and ban.get("color") in (None, color))
        if least >= ban["count"]:
            return f"metadata contradicts itself: it asks for {least} {ban['class']} and excludes {ban['count']}"
    lacking = _NEEDS.get(tag)
    if lacking and not any(lacking in need for need in include):
        return f"metadata contradicts itself: tag {tag} without {lacking}"
    text = str(record.get("prompt", ""))
    if tag not in TAGS or not text.startswith(_OPENING):
        return ""
    if tag in _PAIRS and len(include) < 2:
        return f"metadata contradicts itself: tag {tag} with a single requirement"
    try:
        worded = prompt_of(tag, include)
    except (KeyError, IndexError):
        return _against_words(text, include)
    if text != worded:
        return f"metadata contradicts itself: prompt {text!r} but requirements of {worded!r}"
    several = next((need for need in include if need["count"] > 1), None) if tag != "counting" else None
    return f"metadata contradicts itself: prompt {text!r} but {several['count']} {several['class']} required" if several else ""


def _against_words(text: str, include: Sequence[Mapping[str, Any]]) -> str:
    """What the words of a prompt deny of requirements that GenEval has no wording for, such as five of a kind."""
    words = text.removeprefix(_OPENING).split()
    said = next((_NUMBERS[word] for word in words if word in _NUMBERS), None)
    for need in include:
        if need["class"] not in text:
            return f"metadata contradicts itself: prompt {text!r} names no {need['class']}"
        if said is not None and len(include) == 1 and need["count"] != said:
            return f"metadata contradicts itself: prompt {text!r} but {need['count']} {need['class']} required"
    return ""

"""Records that no picture can satisfy, or whose words say something else than their requirements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suites.geneval.wording import TAGS, prompt_of

_OPENING = "a photo of "
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
    text = str(record.get("prompt", ""))
    if tag not in TAGS or not text.startswith(_OPENING):
        return ""
    lacking = _NEEDS.get(tag)
    if lacking and not any(lacking in need for need in include):
        return f"metadata contradicts itself: tag {tag} without {lacking}"
    try:
        worded = prompt_of(tag, include)
    except (KeyError, IndexError):
        return ""
    return "" if text == worded else f"metadata contradicts itself: prompt {text!r} but requirements of {worded!r}"

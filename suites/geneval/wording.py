"""GenEval's words: its six tasks, relations and numbers, and the prompt that a record's requirements make."""

from collections.abc import Mapping, Sequence
from typing import Any

TAGS: tuple[str, ...] = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
RELATIONS: tuple[str, ...] = ("left of", "right of", "above", "below")
NUMBER_WORDS: dict[int, str] = {2: "two", 3: "three", 4: "four"}


def with_article(words: str) -> str:
    """Put "an" before a vowel letter and "a" before anything else, as GenEval does."""
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def plural(name: str) -> str:
    """GenEval's plural rule, irregular words included ("persons", "toothbrushs")."""
    return f"{name}es" if name.endswith("s") else f"{name}s"


def prompt_of(tag: str, include: Sequence[Mapping[str, Any]]) -> str:
    """Word what a record of this task includes, exactly as GenEval does."""
    if tag == "counting":
        return f"a photo of {NUMBER_WORDS[include[0]['count']]} {plural(include[0]['class'])}"
    objects = [with_article(f"{need['color']} {need['class']}" if "color" in need else need["class"]) for need in include]
    if tag == "position":
        return f"a photo of {objects[1]} {include[1]['position'][0]} {objects[0]}"
    return f"a photo of {' and '.join(objects)}"

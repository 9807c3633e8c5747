"""What T2I-CompBench's prompts talk about, as spaCy parses them: noun phrases, and the two objects of a relation.

The official graders parse with spaCy's en_core_web_sm. Its answers for the official prompts are in parsed.json, so that nobody
has to install it for those, in capitals or not, with their full stop or without; other prompts are parsed where spaCy is installed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, cast

from harness.errors import WrongInput
from suites.prompt_checks import plain
from suites.t2i_compbench.three_in_one import Kind

FILE, MODEL = "parsed.json", "en_core_web_sm"
NOT_ASKED = ("top", "the side", "the left", "the right")
"""Noun phrases that are no objects."""
MOST_PHRASES = 8
PREPOSITIONS = ("on top of", "on bottom of", "on the left", "on the right", "next to", "on side of", "near")
Pair = tuple[str, str] | None
_UNKNOWN = object()
"""No answer; None is one."""


class NoParser(WrongInput):
    """Raised for a prompt that is none of the official ones where spaCy is not installed."""

    def __init__(self, prompt: str) -> None:
        super().__init__(
            f"prompt {prompt[:60]!r} is none of T2I-CompBench's own, and spaCy, which finds its objects, is not installed: "
            f"`pip install spacy` and `python -m spacy download {MODEL}`"
        )


def phrases(prompt: str) -> list[str]:
    """The noun phrases that BLIP is asked about, eight at most."""
    known = _official("phrases", prompt)
    if known is not None:
        return list(known)
    return [chunk.text for chunk in _doc(prompt).noun_chunks if chunk.text not in NOT_ASKED][:MOST_PHRASES]


def ends(prompt: str) -> Pair:
    """The first and the last noun: the two objects of a prompt that says nothing else; None where there is no noun."""
    known = _official("ends", prompt, _UNKNOWN)
    if known is not _UNKNOWN:
        return _pair(known)
    nouns = [token.text for token in _doc(prompt) if token.pos_ == "NOUN"]
    return (nouns[0], nouns[-1]) if nouns else None


def around(prompt: str) -> Pair:
    """The nouns next to a complex prompt's preposition; None unless there are two."""
    known = _official("around", prompt, _UNKNOWN)
    if known is not _UNKNOWN:
        return _pair(known)
    return _around(_doc(prompt))


def without_adjectives(prompt: str) -> str:
    """A complex prompt as CLIP is given it."""
    known = _official("without_adjectives", prompt)
    return str(known) if known is not None else " ".join(token.text for token in _doc(prompt) if token.pos_ != "ADJ")


def kind(prompt: str) -> Kind:
    """What a complex prompt relates its objects by; "both" for prompts that neither official list holds.

    As published, prompts are compared in lower case and up to their first full stop.
    """
    return _kinds().get(_sentence(prompt), "both")


def parser() -> str:
    """Which parser the table is from."""
    return str(_table()["parser"])


def plurals() -> Mapping[str, str]:
    """The official table of objects that can be counted: singular to plural, in its order."""
    return cast(Mapping[str, str], _table()["plurals"])


def _official(table: str, prompt: str, unknown: Any = None) -> Any:
    """A table's answer for an official prompt; what follows a full stop is parsed too, so that only a last one is left out."""
    exact = _table()[table]
    return exact[prompt] if prompt in exact else _loosely(table).get(plain(prompt), unknown)


def _sentence(prompt: str) -> str:
    return plain(prompt).partition(".")[0]


@cache
def _loosely(table: str) -> Mapping[str, Any]:
    return {plain(prompt): answer for prompt, answer in _table()[table].items()}


@cache
def _kinds() -> Mapping[str, Kind]:
    return {_sentence(prompt): kind for prompt, kind in _table()["kind"].items()}


def _pair(found: list[str] | None) -> Pair:
    return None if found is None else (found[0], found[1])


def _around(doc: Any) -> Pair:
    found: list[str] = []
    for place in range(len(doc)):
        length = next((size for size in (3, 2, 1) if doc[place : place + size].text in PREPOSITIONS), None)
        if length is None:
            continue
        before = [token.text for token in doc[:place] if token.pos_ in ("NOUN", "PROPN")]
        rest = doc[place + length :]
        after = [token.text for token in rest if token.pos_ == "NOUN"]
        if not after:
            after = [one.text for one, two in pairwise(rest) if one.pos_ == "PROPN" != two.pos_]
        found += before[-1:] + after[:1]
    return (found[0], found[1]) if len(found) == 2 else None


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((files("suites.t2i_compbench") / FILE).read_text(encoding="utf-8"))
    return table


@cache
def _doc(prompt: str) -> Any:
    try:
        import spacy

        return _load(spacy)(prompt)
    except (ImportError, OSError) as error:
        raise NoParser(prompt) from error


@cache
def _load(spacy: Any) -> Any:
    return spacy.load(MODEL)

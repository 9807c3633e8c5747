"""Words that the embedded models do not know, and so read all alike: what is said of prompts that have some."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from string import punctuation

from harness.compute.amounts import counted
from harness.errors import WrongInput
from suites.geneval.wording import plural
from suites.shapes.vocabulary import KINDS, STOP_WORDS, content_words

SHOWN = 6
"""Words that are named before the others are only counted."""
_KNOWN = frozenset(content_words())
_KINDS = frozenset((*KINDS, *map(plural, KINDS)))
_STOP = re.compile(rf"\b({'|'.join(STOP_WORDS)})\b")


def read_words(text: str) -> list[str]:
    """What of a prompt is left to read: its words in small letters, without those that are dropped."""
    return _STOP.sub(" ", text.lower()).split()


def check_known(texts: Sequence[str]) -> None:
    """Raise WrongInput where the embedded models know not a single word of a prompt; the first such prompts are named."""
    lost = unreadable(texts)
    if lost:
        words = _named([word for text in lost for word in read_words(text)])
        all_lost = "the prompt" if len(texts) == 1 else f"the {len(texts)} prompts"
        which = f"{all_lost} ({words})" if len(lost) == len(texts) else f"{len(lost)} of {len(texts)} prompts ({_named(lost)})"
        raise WrongInput(
            f"the embedded models know no word of {which}: they read colours, kinds, numbers and places of shapes alone; write such as "
            f"'a red star above a green square'{'' if len(lost) == len(texts) else ', leave those out'}, or take models and verifiers of "
            "photographs"
        )


def unreadable(texts: Sequence[str]) -> list[str]:
    """Prompts that have words, of which the embedded models know none."""
    return [text for text in texts if (words := read_words(text)) and _KNOWN.isdisjoint(words)]


def names_shapes(text: str) -> bool:
    """Whether a prompt has words of the shapes world alone, a kind of shape among them."""
    words = read_words(text)
    return _KNOWN.issuperset(words) and not _KINDS.isdisjoint(words)


def unknown_note(texts: Sequence[str]) -> list[str]:
    """A sentence about prompts some of whose words the embedded models do not know, none where there are none."""
    unknown = [[word for word in read_words(text) if word not in _KNOWN] for text in texts]
    words = [word for some in unknown for word in some]
    if not words:
        return []
    joined = "; a sign that touches a word makes it another" if any(word.strip(punctuation) in _KNOWN for word in words) else ""
    return [f"unknown words: {sum(map(bool, unknown))} of {counted(len(texts), 'prompt')} {'have' if len(texts) > 1 else 'has'} words that "
            f"the embedded models do not know: {_named(words)}{joined}"]  # fmt: skip


def _named(words: Sequence[str]) -> str:
    each = list(dict.fromkeys(words))
    more = f" and {len(each) - SHOWN} more" if len(each) > SHOWN else ""
    return ", ".join(map(reprlib.repr, each[:SHOWN])) + more

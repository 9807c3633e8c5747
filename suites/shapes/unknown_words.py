"""Words that the embedded models do not know, and so read all alike: what is said of prompts that have some."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from string import punctuation

from harness.compute.amounts import counted
from harness.errors import WrongInput
from suites.shapes.vocabulary import STOP_WORDS, content_words

SHOWN = 6
"""Words that are named before the others are only counted."""
_KNOWN = frozenset(content_words())
_STOP = re.compile(rf"\b({'|'.join(STOP_WORDS)})\b")


def read_words(text: str) -> list[str]:
    """What of a prompt is left to read: its words in small letters, without those that are dropped."""
    return _STOP.sub(" ", text.lower()).split()


def check_known(texts: Sequence[str]) -> None:
    """Raise WrongInput for prompts of whose words the embedded models know not a single one."""
    words = [word for text in texts for word in read_words(text)]
    if words and not _KNOWN.intersection(words):
        raise WrongInput(
            f"the embedded models know no word of {'the prompt' if len(texts) == 1 else f'the {len(texts)} prompts'} ({_named(words)}): "
            "they read colours, kinds, numbers and places of shapes alone; write such as 'a red star above a green square', or take "
            "models and verifiers of photographs"
        )


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

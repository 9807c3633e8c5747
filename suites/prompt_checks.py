"""What a prompt from outside must be before anything is made of it, and what about it is worth saying though it is run."""

from __future__ import annotations

import re
import reprlib
import unicodedata

LONGEST = 5000
"""Characters; the longest prompts of the known sets have about a thousand."""
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")


def fault(text: object) -> str:
    """Why no picture can be made or judged for this prompt, "" where it can."""
    if text is None:
        return "prompt is missing"
    if not isinstance(text, str):
        return f"prompt is {_kind(text)}, not text"
    if not text.strip():
        return "prompt is empty"
    if len(text) > LONGEST:
        return f"prompt has {len(text)} characters, more than {LONGEST}"
    for character in text:
        kind = unicodedata.category(character)
        if kind == "Cs":
            return "prompt is not UTF-8"
        if kind == "Cc" or character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
            return f"prompt holds control character U+{ord(character):04X}"
    return ""


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {reprlib.repr(value)}"  # one of hundreds of digits in short
    return "a list" if isinstance(value, (list, tuple)) else "an object"


def plain(text: str) -> str:
    """A prompt as it is compared with a suite's own: in lower case, without a last full stop, its words one space apart."""
    return " ".join(text.lower().split()).removesuffix(".").rstrip()


def as_utf8(value: object) -> str:
    """As text that a table and a terminal can hold: what is no UTF-8 becomes a question mark."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def printable(text: str) -> str:
    """As a line for a terminal: line ends, control and direction characters as escapes, whatever a file is named."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in as_utf8(text))


def remark(text: str) -> str:
    """What is unusual about a prompt that is run as it is, "" for nothing."""
    found = []
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in text):
        found.append("right-to-left text")
    if _TAG.search(text):
        found.append("HTML")
    if "\\" in text or ".." in text or text.startswith("/"):
        found.append("what looks like a path")
    return ", ".join(found)

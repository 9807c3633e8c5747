"""Errors a user can act on: the value, the rule and the next action in one line, and an exit code each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence


class WrongInput(ValueError):
    """Raised for input that cannot be run as asked (exit code 2)."""


class DamagedWeights(WrongInput):
    """Raised for a weight file that is missing or is not what its card says."""


class RunFailed(RuntimeError):
    """Raised when a run had to stop for an outside reason (exit code 1); finished units stay on disk."""


def unknown(kind: str, name: str, known: Sequence[str]) -> str:
    """The sentence about a name that is none of the known ones."""
    several = [part.strip() for part in name.split(",")]
    if len(several) > 1 and set(several) <= set(known):
        return f"unknown {kind} {name!r}: these are {len(several)}, repeat --{kind} for each: --{kind} {f' --{kind} '.join(several)}"
    if kind == "suite" and (suite := name.partition("@")[0]) in known:
        return f"unknown suite {name!r}: give {suite}, whose vocabulary, behind the @, is that of the models"
    hint = near(name, known)
    return f"unknown {kind} {name!r}; {hint and hint + ' '}known: {', '.join(known)}"


def near(name: str, known: Sequence[str]) -> str:
    """A question with the names most like `name`, such as "did you mean beam?"; "" where none is like it."""
    found = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(found)}?" if found else ""


def first_line(error: BaseException) -> str:
    """What a library's error says first, without a number or the full stop and with what follows a colon, or what it is."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    last = next((place for place, line in enumerate(lines) if not line.endswith(":")), len(lines) - 1)
    return re.sub(r"\[Errno -?\d+\] ?", "", " ".join(lines[: last + 1])).rstrip(".")

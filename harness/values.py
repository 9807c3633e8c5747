"""Values given as text, of searches, models and verifiers: what kind each is of, and what one that is not should have been."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

BETWEEN = "/"
"""Between the values of a list, where the comma is between settings."""
ALL = "all"
"""The value that stands for all there is: of searches and metrics those that fit, of prompts and of candidates every one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What values of one kind are read as."""

    expected: str
    """What a value should be, as it is said after "is not"."""
    read: Callable[[Any], Any] = field(repr=False)
    """The value of a text, or of a value of this kind already; raises what Python does where it is none."""

    def of(self, text: Any) -> Any:
        """The value that a text stands for. Raises ValueError saying what it should be."""
        try:
            return self.read(text)
        except (ValueError, TypeError, KeyError, OverflowError):
            raise ValueError(self.expected) from None

    def called(self, expected: str) -> Kind:
        """The same kind, with more to say of it."""
        return replace(self, expected=expected)


def _whole(given: Any) -> int:
    number = int(given)
    if not isinstance(given, str) and number != given:
        raise ValueError
    return number


def _number(given: Any) -> float:
    if not isfinite(number := float(given)):
        raise ValueError
    return number


def _truth(given: Any) -> bool:
    return {"true": True, "false": False}[str(given).lower()]


TEXT = Kind("text", str)
TRUTH = Kind("true or false", _truth)
WHOLE = Kind("a whole number", _whole)
NUMBER = Kind("a number", _number)


def at_least(least: int, kind: Kind = WHOLE) -> Kind:
    """Of a kind of numbers those from `least`."""

    def read(given: Any) -> Any:
        if (number := kind.read(given)) < least:
            raise ValueError
        return number

    return Kind(f"{kind.expected} from {least}", read)


def one_of(names: Collection[str]) -> Kind:
    """One of these words."""
    return Kind(" or ".join(names), {name: name for name in names}.__getitem__)


def several(kind: Kind) -> Kind:
    """Values of one kind with a stroke between them, or a list of them, as a tuple."""

    def read(given: str | Sequence[Any]) -> tuple[Any, ...]:
        return tuple(kind.read(one) for one in (given.split(BETWEEN) if isinstance(given, str) else given))

    return Kind(f"{kind.expected}, or several such as a{BETWEEN}b", read)


def like(default: Any) -> Kind:
    """The kind of a setting whose default this is."""
    if isinstance(default, bool):
        return TRUTH
    return WHOLE if isinstance(default, int) else NUMBER if isinstance(default, float) else TEXT


def typed(value: Any) -> str:
    """A value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)

"""Texts of the form NAME:key=value,…: how searches and models are named on the command line and in tables.

A value that holds a comma stands in double quotes: NAME:negative_prompt="blurred, dark".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from harness.errors import WrongInput, near

_COMMA = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""A comma outside of quotes: an even number of them follows."""

_PLUS = re.compile(r"\+(?=[a-z])")
"""Between the two models of a pair, but not within a number such as 1e+3."""


def members_of(text: str) -> list[str]:
    """The models of a pair, DRAFT+REFINE, or the one model that a text names."""
    return _PLUS.split(text)


def name_of(text: str) -> str:
    """The part before the colon."""
    return text.partition(":")[0].strip()


def assignments(what: str, text: str, known: Collection[str], listing: str) -> dict[str, str]:
    """Key to value of a text; `what` and `listing` (what there is to set) go into errors.

    Raises:
        WrongInput: a key that is not known, has no value, or is given twice.
    """
    _, colon, rest = text.partition(":")
    values: dict[str, str] = {}
    if rest.count('"') % 2:
        raise WrongInput(f"{what} {text!r}: a double quote is not closed; a value in quotes begins and ends with one")
    for place, assignment in enumerate(_COMMA.split(rest) if colon else []):
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if not equals or key not in known or key in values:
            hint = "; a value with a comma stands in double quotes" if place and not equals and key not in known else ""
            raise WrongInput(f"{what} {text!r}: {_complaint(key, equals, known)}; {listing}{hint}")
        values[key] = value.strip('"')
    return values


def quoted(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same, texts that hold a comma in double quotes."""
    return {key: f'"{value}"' if isinstance(value, str) and "," in value else value for key, value in values.items()}


def written(name: str, values: Mapping[str, Any]) -> str:
    """The text of a name with values, which hold no comma or are `quoted`; a search within one, which ends it, may."""
    given = ",".join(f"{key}={_plain(value)}" for key, value in values.items())
    return f"{name}:{given}" if given else name


def _plain(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _complaint(key: str, equals: str, known: Collection[str]) -> str:
    if key in known:
        return f"{key} is given twice" if equals else f"{key} has no value: write {key}=…"
    hint = near(key, list(known))
    return f"unknown parameter {key!r}" + (f", {hint}" if hint else "")

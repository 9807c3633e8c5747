"""Named searches as data (named_searches.toml): each a search under a name, with the paper or the measurement behind it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from harness.assignments import name_of
from harness.errors import WrongInput
from harness.registry import UnknownName, entries

FILE = "named_searches.toml"
INNER = "search"
"""The parameter of a search that wraps another, which can be a named one as well; it comes last, as all that follows is the other's."""


@dataclass(frozen=True)
class NamedSearch:
    """One name."""

    search: str
    """The search that it stands for, as text."""
    source: str
    """The paper, or the command whose table shows that it wins."""


@cache
def named_searches() -> Mapping[str, NamedSearch]:
    """All by name, in the order of the file."""
    rows = tomllib.loads((files("harness") / FILE).read_text(encoding="utf-8"))
    return {name: NamedSearch(**row) for name, row in rows.items()}


def expanded(text: str) -> str:
    """A search's text with the name of a named one, its own or that of the search it wraps, replaced by what it stands for.

    Tables, keys and manifests have the search itself, so that a named search can be changed without any result changing.
    Raises WrongInput for a name with parameters.
    """
    _, inner = _halves(text)
    if inner is not None:
        return text.removesuffix(inner) + expanded(inner)
    name = name_of(text)
    if name not in named_searches():
        return text
    stands_for = named_searches()[name].search
    if text.strip() != name:
        raise WrongInput(
            f"search {text!r}: a named search takes no parameters; write what {name} stands for, {stands_for}, and change that"
        )
    return stands_for


def wrapped(text: str) -> tuple[str, str | None]:
    """A search's text without the search that it wraps, and that search, None where it names none.

    Raises:
        WrongInput: parameters of its own follow the search that it wraps.
    """
    own, inner = _halves(text)
    first, comma, after = (inner or "").partition(",")
    if comma and ":" not in first:
        raise WrongInput(f"search {text!r}: the search that another wraps comes last: write {own}{text[len(own)]}{after},{INNER}={first}")
    return own, inner


def _halves(text: str) -> tuple[str, str | None]:
    own, equals, inner = text.partition(f"{INNER}=")
    own = own.rstrip()
    return (own[:-1], inner) if equals and own.endswith((":", ",")) else (text, None)


def check_search_name(text: str) -> None:
    """Raise UnknownName for the text of a search that is not registered; lists named searches too."""
    name = name_of(text)
    if name not in entries("search"):
        raise UnknownName("search", name, [*entries("search"), *named_searches()])

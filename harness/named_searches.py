"""Named searches as data (named_searches.toml): each a search under a name, with the paper or the measurement behind it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from harness.assignments import name_of
from harness.errors import WrongInput

FILE = "named_searches.toml"
INNER = "search="
"""Before the search that another wraps, which can be a named one as well."""


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
    before, wraps, search = text.rpartition(INNER)
    name = name_of(search)
    if name not in named_searches():
        return text
    stands_for = named_searches()[name].search
    if search.strip() != name:
        raise WrongInput(
            f"search {text!r}: a named search takes no parameters; write what {name} stands for, {stands_for}, and change that"
        )
    return f"{before}{wraps}{stands_for}"

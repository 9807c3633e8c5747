"""Presets as data (presets.toml): searches under a name, each with the paper or the measurement behind it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from harness.assignments import name_of
from harness.errors import WrongInput

FILE = "presets.toml"
_INNER = "search="
"""Before the search that another wraps, which can be a preset as well."""


@dataclass(frozen=True)
class Preset:
    """One name."""

    search: str
    """The search that it stands for, as text."""
    source: str
    """The paper, or the command whose table shows that it wins."""


@cache
def presets() -> Mapping[str, Preset]:
    """All by name, in the order of the file."""
    rows = tomllib.loads((files("harness") / FILE).read_text(encoding="utf-8"))
    return {name: Preset(**row) for name, row in rows.items()}


def expanded(text: str) -> str:
    """A search's text with a preset's name, its own or that of the search it wraps, replaced by what it stands for.

    Tables, keys and manifests have the search itself, so that a preset can be changed without any result changing.
    Raises WrongInput for a preset with parameters.
    """
    before, wraps, search = text.rpartition(_INNER)
    name = name_of(search)
    if name not in presets():
        return text
    stands_for = presets()[name].search
    if search.strip() != name:
        raise WrongInput(f"search {text!r}: a preset takes no parameters; write what {name} stands for, {stands_for}, and change that")
    return f"{before}{wraps}{stands_for}"

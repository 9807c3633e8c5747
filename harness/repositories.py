"""Rows of registry files as repositories; what several models, verifiers or graders need stands in repositories.toml, once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any

from harness.hub import Repository

FILE = "repositories.toml"


def repository(given: str | Mapping[str, Any], **terms: Any) -> Repository:
    """A table of a registry file as a repository, or the shared one of this name; the revision is "main" where none is given.

    terms: of what the table belongs to, where it has none of its own. Raises ValueError for a key or a name that is not known.
    """
    if isinstance(given, str):
        if given not in _shared():
            raise ValueError(f"no repository {given!r} in {FILE}: known are {', '.join(_shared())}")
        return _shared()[given]
    known = {field.name for field in fields(Repository)}
    wrong = [key for key in given if key not in known]
    if wrong:
        raise ValueError(f"repository {given.get('repo')} has a key {wrong[0]!r}: known are {', '.join(sorted(known))}")
    lists = {key: tuple(given[key]) for key in ("files", "optional") if key in given}
    return Repository(**{"revision": "main", **terms, **given, **lists})


@cache
def _shared() -> Mapping[str, Repository]:
    table = tomllib.loads((files("harness") / FILE).read_text(encoding="utf-8"))
    return {name: repository(row) for name, row in table.items()}

"""Rows of registry files, with their repositories; what several models, verifiers or graders need stands in repositories.toml, once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from harness.errors import near
from harness.weights.repository import Repository

FILE = "repositories.toml"
Row = TypeVar("Row")


def table(package: str, file: str) -> dict[str, Any]:
    """The content of a registry file."""
    return tomllib.loads((files(package) / file).read_text(encoding="utf-8"))


def rows(kind: type[Row], what: str, content: Mapping[str, Mapping[str, Any]]) -> dict[str, Row]:
    """Rows of a registry file as dataclasses of this kind, by name, with their repositories by role under `repositories`.

    The row's `licence`, and `gated` where it has it, are those of every repository that has none of its own. `what` is what the
    rows are, for people. Raises ValueError for a key that is unknown or missing.
    """
    return {name: _row(kind, what, name, dict(row)) for name, row in content.items()}


def _row(kind: Any, what: str, name: str, row: dict[str, Any]) -> Any:
    gated, known = row.pop("gated", False), {field.name: field for field in fields(kind) if field.name != "name"}
    wrong = [key for key in row if key not in known]
    if wrong:
        hint = near(wrong[0], list(known))
        raise ValueError(f"{what} {name} has a key {wrong[0]!r}: {hint and hint + ' '}known are {', '.join(known)}")
    lacking = [key for key, field in known.items() if key not in row and field.default is field.default_factory is MISSING]
    if lacking:
        raise ValueError(f"{what} {name} has no {lacking[0]}: give it in its entry")
    found = {role: repository(given, licence=row["licence"], gated=gated) for role, given in row["repositories"].items()}
    return kind(name, **{**row, "repositories": found})


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
    return {name: repository(row) for name, row in table("harness.weights", FILE).items()}

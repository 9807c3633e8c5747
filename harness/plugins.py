"""Models, searches, verifiers and suites of other packages: what they register as entry points, and their versions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from harness.entry import Entry
from harness.errors import WrongInput

GROUPS = {"model": "vistas.models", "search": "vistas.searches", "verifier": "vistas.verifiers", "suite": "vistas.suites"}
"""The group of entry points of each kind; each point is an `Entry`, under the name that the command line takes."""


def plugins(kind: str, taken: Collection[str] = ()) -> Mapping[str, Entry]:
    """Entries of one kind that installed packages bring, by name; none of a kind that has no group.

    Raises:
        WrongInput: one cannot be imported, is no `Entry`, or has a name that is taken.
    """
    found: dict[str, Entry] = {}
    for point in (point for point in _points() if point.group == GROUPS.get(kind)):
        if point.name in taken or point.name in found:
            raise WrongInput(f"{_said(point)} registers a {kind} under a name that is taken: rename it there, or uninstall that package")
        found[point.name] = replace(_loaded(point), package=_package(point))
    return found


def plugin_packages() -> dict[str, str]:
    """Name to version of every installed package that brings something."""
    return {point.dist.name: point.dist.version for point in _points() if point.dist is not None}


def plugin_sources(packages: Collection[str] | None = None) -> list[Path]:
    """The folder, or the only file, of every module that these packages (name and version), or all, bring something by."""
    points = [point for point in _points() if packages is None or _package(point) in packages]
    found = [find_spec(name) for name in sorted({name for point in points for name in _modules(point)})]
    places = [place for one in found if one is not None for place in one.submodule_search_locations or [one.origin or ""]]
    return [path for path in map(Path, places) if path.exists() and path.name]


@cache
def _points() -> tuple[EntryPoint, ...]:
    """Read once: every installed package is looked at for it."""
    every = entry_points()
    return tuple(point for group in GROUPS.values() for point in every.select(group=group))


def _modules(point: EntryPoint) -> set[str]:
    """Top-level modules of an entry and of what it names."""
    entry = _loaded(point)
    named = [entry.target, entry.generator, *([entry.draft.target, entry.draft.generator] if entry.draft else [])]
    return {name.partition(":")[0].partition(".")[0] for name in (point.value, *named) if name}


def _loaded(point: EntryPoint) -> Entry:
    try:
        entry = point.load()
    except Exception as error:
        raise WrongInput(f"{_said(point)} cannot be imported ({error}): mend it, or uninstall that package") from error
    if not isinstance(entry, Entry):
        raise WrongInput(f"{_said(point)} is {type(entry).__name__} and no harness.entry.Entry: make it one, or uninstall that package")
    return entry


def _said(point: EntryPoint) -> str:
    return f"{point.name} = {point.value} of package {_package(point)}"


def _package(point: EntryPoint) -> str:
    assert point.dist is not None  # always known of a point that was found
    return f"{point.dist.name} {point.dist.version}"

"""Engines: how units become finished ones; another engine is another function of this shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from harness.run.run_unit import FinishedUnit
from harness.run.units import WorkUnit


class Engine(Protocol):
    """Yields every unit with what it left behind, in any order, as each is finished; a unit is drawn when work on it can begin."""

    def __call__(
        self, units: Iterable[WorkUnit], execute: Callable[[WorkUnit], FinishedUnit]
    ) -> Iterator[tuple[WorkUnit, FinishedUnit]]: ...


def local(
    units: Iterable[WorkUnit], execute: Callable[[WorkUnit], FinishedUnit]
) -> Iterator[tuple[WorkUnit, FinishedUnit]]:
    """One unit after another in this process."""
    for unit in units:
        yield unit, execute(unit)

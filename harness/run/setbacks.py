"""Units that fail while a run goes on: which are tried, when a model and search are given up, and what ends the run at once."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

import torch

from harness.compute.amounts import counted
from harness.devices import is_lost
from harness.errors import RunFailed, WrongInput
from harness.run.units import WorkUnit
from results.failures import SHOWN, Failure, listed
from results.files import FULL, Unwritten
from results.store import Store
from suites.base import UndeclaredGrade

IN_A_ROW = 3
"""Units of one model and search that fail in the same way, none between them finished, after which no more of these are tried."""

_LONGEST = 400
"""Characters of an error in a line: a library's can have hundreds of lines."""


class UnitsFailed(RunFailed):
    """Raised at the end of a run some of whose units failed; what is finished is kept."""

    def __init__(self, failures: Sequence[Failure], untried: int, notes: Path, alone: bool) -> None:
        """`notes`: where each is told in full; `alone`: whether no other process is at work on the run."""
        more = f"; {untried} more not tried" if untried else ""
        super().__init__(
            f"{counted(len(failures), 'unit')}: {listed(failures)}{more}; what is finished is kept, and {notes} has the traceback of each: "
            "see to that and give the same command again, which tries what is missing"
        )
        self.alone = alone
        for failure in failures[:SHOWN]:
            self.add_note(failure.traceback)  # shown where a traceback is


class Setbacks:
    """What has failed since this process took up the run: a unit is tried once, whoever tried it."""

    def __init__(self, store: Store, units: Sequence[WorkUnit]) -> None:
        self._store, self._units, self._notes = store, units, store.failures
        self._before = {unit.key: self._notes.when(unit.key) for unit in units}
        self._rows: dict[tuple[str, str], tuple[str, int]] = {}
        """Model and search to the failure last seen of them, and how often in a row."""
        self._failed: set[str] = set()

    def rules_out(self, unit: WorkUnit) -> bool:
        """Whether a unit is not to be tried: it has failed meanwhile, here or elsewhere, or its model and search are given up."""
        if unit.key in self._failed or self._notes.when(unit.key) != self._before[unit.key]:
            return True
        return self._rows.get((unit.model, unit.search), ("", 0))[1] >= IN_A_ROW

    def note(self, unit: WorkUnit, error: Exception) -> str:
        """Note a failure; returns what a person should know of it."""
        ours = isinstance(error, (RunFailed, WrongInput))
        line = shorten(str(error) if ours else f"{type(error).__name__}: {error}", _LONGEST, placeholder=" …")
        self._notes.keep(unit.key, Failure(unit.title, line, "".join(traceback.format_exception(error))))
        self._failed.add(unit.key)
        which, alike = (unit.model, unit.search), re.sub(r"\d+", "N", line)
        known, times = self._rows.get(which, ("", 0))
        self._rows[which] = (alike, times + 1 if alike == known else 1)
        gone = self._rows[which][1] >= IN_A_ROW
        goes_on = f"{IN_A_ROW} in a row, so {unit.model} with {unit.search} is given up" if gone else "the run goes on"
        return f"failed: {unit.title}: {line}; {goes_on}"

    def finished(self, unit: WorkUnit) -> None:
        """Take note of a unit that is saved."""
        self._rows.pop((unit.model, unit.search), None)

    def check(self, alone: bool = True) -> None:
        """Raise UnitsFailed where units are missing that failed: here or, if this process is `alone` at work on the run, anywhere."""
        missing = [unit.key for unit in self._units if not self._store.part_path(unit.key).exists()]
        failures = self._notes.of([key for key in missing if alone or key in self._failed])
        if failures:
            raise UnitsFailed(failures, len(missing) - len(failures) if alone else 0, self._notes.folder, alone)


def hits_all(error: Exception, devices: Sequence[torch.device]) -> bool:
    """Whether what a unit failed of would hit every other: nothing can be written any more, the suite is wrong, or a device is lost."""
    if isinstance(error, (Unwritten, UndeclaredGrade)) or (isinstance(error, OSError) and error.errno in FULL):
        return True
    return any(map(is_lost, devices))

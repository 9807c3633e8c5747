"""Units that failed, noted in a run's folder: who reports, helps or comes back later reads there what is missing, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from results.files import write_atomic

FAILED = "failed"
"""The folder of these notes, within a run's."""
SHOWN = 3
"""Failures that are told of in a line; the others are counted."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One unit that failed."""

    unit: str
    """What it is, for people."""
    error: str
    """In one line."""
    traceback: str

    def __str__(self) -> str:
        return f"{self.unit} ({self.error})"


class Failures:
    """The notes of one run's folder, one file a unit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FAILED

    def keep(self, key: str, failure: Failure) -> None:
        """Note that a unit failed; of several times the last is kept."""
        write_atomic(self._path(key), (json.dumps(asdict(failure), indent=2, ensure_ascii=False) + "\n").encode())

    def forget(self, key: str) -> None:
        """Drop the note of a unit that is finished now."""
        self._path(key).unlink(missing_ok=True)

    def when(self, key: str) -> int:
        """When the unit last failed, in nanoseconds of the file system's clock, 0 where it has not."""
        try:
            return self._path(key).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def of(self, keys: Iterable[str]) -> list[Failure]:
        """What is noted of these units, in their order; a note that cannot be read says so."""
        return [self._read(self._path(key)) for key in keys if self.when(key)]

    def _read(self, path: Path) -> Failure:
        try:
            return Failure(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            return Failure(path.stem, f"its note in {path} cannot be read: {error}", "")

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def listed(failures: Sequence[Failure]) -> str:
    """The first of some failures, and how many more there are."""
    shown = "; ".join(map(str, failures[:SHOWN]))
    return f"{shown}; and {len(failures) - SHOWN} more" if len(failures) > SHOWN else shown

"""Claims: of several processes that work in one run's folder, one at a time has a unit."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import IO, Self

from results.files import try_lock

CLAIM = ".claim-"


class Claims:
    """The units that this process has, until the end of `with`; the system lets go of them however the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        while self._held:
            self._held.popitem()[1].close()

    def take(self, key: str) -> bool:
        """Whether the unit is this process's now; False where another has it."""
        file = open(self._path(key), "wb")  # noqa: SIM115 (open as long as the unit is held)
        if not try_lock(file):
            file.close()
            return False
        self._held[key] = file
        return True

    def settle(self, key: str) -> None:
        """Let go of a unit that is saved: whoever waits at the file that is gone finds the unit there."""
        self._path(key).unlink(missing_ok=True)
        self._held.pop(key).close()

    def give_up(self, key: str) -> None:
        """Let go of a unit that is not saved; its file stays, or who waits at it and who comes next would both have the unit."""
        self._held.pop(key).close()

    def _path(self, key: str) -> Path:
        return self._folder / f"{CLAIM}{key}"

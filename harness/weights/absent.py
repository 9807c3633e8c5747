"""Errors for weights that are not on this machine: what, how large, under which terms, and how to get them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.errors import WrongInput
from harness.weights.repository import Repository


class MissingWeights(WrongInput):
    """Raised for weights that are not on this machine: one line with what, how large, under which terms, and the command."""


@dataclass(frozen=True)
class Absent:
    """A repository that the hub's cache lacks, or lacks files of."""

    what: str
    """What is said of it."""
    repository: Repository = field(hash=False)
    name: str
    """What `vistas fetch` calls it."""
    role: str
    """Its place in what has that name, "" where it has only one."""

    @property
    def key(self) -> str:
        """What --weights calls it."""
        return f"{self.name}.{self.role}" if self.role else self.name

    @property
    def said(self) -> str:
        """What is said of it, how large it is, and under which terms it is had."""
        return f"{self.what} ({_terms(self.repository)})"


class AbsentWeights(MissingWeights):
    """Raised for weights that the hub's cache lacks: one line for all of them, and for `spare` ones that only grade."""

    def __init__(self, absent: Iterable[Absent], spare: Iterable[Absent] = ()) -> None:
        self.absent, spare = tuple(dict.fromkeys(absent)), tuple(dict.fromkeys(spare))
        every, first = (*self.absent, *spare), f"--weights {self.absent[0].key}=PATH"
        names = " ".join(dict.fromkeys(one.name for one in every))
        if len(every) == 1:
            super().__init__(f"{every[0].said}: get it with `vistas fetch {names}`, or give a local folder with {first}")
            return
        keys: dict[str, list[str]] = {}
        for one in every:  # of one repository in several places once
            keys.setdefault(one.said, []).append(one.key)
        said = "; ".join(f"{' and '.join(places)}: {what}" for what, places in keys.items())
        graders = ", ".join(dict.fromkeys(one.name for one in spare))
        without = f" ({graders}: for the suite's own grades alone)" if graders else ""
        super().__init__(
            f"{said}: get them with `vistas fetch {names}`{without}, or give local folders with {first} and so on, by these names"
        )


def _terms(repository: Repository) -> str:
    gate = f", gated: accept the terms at {repository.address} and log in" if repository.gated else ""
    return f"{repository.size}, licence {repository.licence}{gate}"

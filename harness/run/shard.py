"""Shards: several processes, one for each card, share the units of one run and its folder."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from harness.errors import WrongInput
from results.files import InUse, try_lock


class Planned(Protocol):
    """What has a planned price."""

    @property
    def planned_flops(self) -> float: ...


One = TypeVar("One", bound=Planned)


@dataclass(frozen=True, slots=True)
class Shard:
    """The part with this number of the units of a run, divided into `count`."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From "K/N", K from 0 to N - 1. Raises WrongInput."""
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
            raise WrongInput(f"--shard {text!r} is not K/N with K from 0 to N - 1: write --shard 0/2 and --shard 1/2 for two cards")
        return cls(int(number), int(count))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def lock(self) -> str:
        """Name of the file that the process of this shard holds."""
        return f".lock-{self.number}-of-{self.count}"

    def of(self, units: Sequence[One]) -> list[One]:
        """This shard's part, in the order of `units`."""
        return divided(units, self.count)[self.number]


def at_work(folder: Path) -> list[Shard]:
    """The shards of which a process holds its part of a run's folder now."""
    found = []
    for path in folder.glob(".lock-*-of-*"):
        with path.open("rb") as file:
            if (numbers := re.fullmatch(r"\.lock-(\d+)-of-(\d+)", path.name)) and not try_lock(file, fcntl.LOCK_SH):
                found.append(Shard(*map(int, numbers.groups())))
    return sorted(found, key=lambda shard: (shard.count, shard.number))


@contextmanager
def or_join(folder: Path) -> Iterator[None]:
    """Within, a folder that is in use by shards is refused with the one that would join them: a unit is never made twice, whatever N."""
    try:
        yield
    except InUse as error:
        if not (busy := at_work(folder)):
            raise
        count = busy[-1].count
        free = (Shard(number, count) for number in range(count) if Shard(number, count) not in busy)
        names = ", ".join(map(str, busy))
        which = f"shard {names} is" if len(busy) == 1 else f"shards {names} are"
        raise InUse(f"{which} at work in {folder}: to join, give this command with --shard {next(free, Shard(count, count + 1))}; or wait, "
                    "or give another folder with --out") from error  # fmt: skip


def divided(units: Sequence[One], count: int) -> list[list[One]]:
    """`units` in `count` parts of about equal planned FLOPs, each in the order of `units`.

    The dearest unit first, each to the part that has least so far (longest processing time first; Graham, SIAM J. Appl. Math. 17,
    1969). It depends on all units of the run and on nothing else, so that processes which do not know of each other agree on it.
    """
    loads, members = [0.0] * count, [list[int]() for _ in range(count)]
    for index in sorted(range(len(units)), key=lambda index: -units[index].planned_flops):
        least = min(range(count), key=lambda part: (loads[part], len(members[part])))
        loads[least] += units[index].planned_flops
        members[least].append(index)
    return [[units[index] for index in sorted(part)] for part in members]

"""Shards: several processes, one for each card, share the units of one run and its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from harness.errors import WrongInput


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

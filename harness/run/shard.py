"""Shards: several processes, one for each card, share the units of one run and its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import WrongInput

One = TypeVar("One")


@dataclass(frozen=True, slots=True)
class Shard:
    """Every `count`-th unit, from `number` on."""

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
        """This shard's part."""
        return list(units[self.number :: self.count])

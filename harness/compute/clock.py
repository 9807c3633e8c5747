"""Measured work: how often, on how many rows and how long each operation has been done, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from verifiers.base import VerifierCard


@dataclass(slots=True)
class Timing:
    """Measured work of one operation."""

    calls: int = 0
    rows: int = 0
    """Rows that were really computed: for "predict" only the pending ones."""
    seconds: float = 0.0


def wall_seconds() -> float:
    """The machine's clock, in seconds from an arbitrary start."""
    return perf_counter()


class Clock(dict[tuple[str, int], Timing]):
    """Measured work by (operation, step): for profiles and for the estimates of `harness/compute/prices.py`."""

    def add(self, operation: str, step: int, rows: int, seconds: float) -> None:
        """Add one call on `rows` rows."""
        timing = self.setdefault((operation, step), Timing())
        timing.calls += 1
        timing.rows += rows
        timing.seconds += seconds

    def seconds(self, operation: str) -> float:
        """Seconds of one operation over all steps."""
        return sum(timing.seconds for (name, _), timing in self.items() if name == operation)


def scoring(card: VerifierCard) -> str:
    """The name of a verifier's operation on a clock, so that several verifiers can share one clock."""
    return f"score {card.name}"


PATCHES = "patches"
"""The name of the features' operation on a clock."""

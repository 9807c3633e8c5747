"""What one call of a model was measured to take, how often it is to be measured, and the median of all times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

SEARCH = "search"
"""The operation that is a whole search."""
LEAST, MOST, FILLED = 3, 10, 3.0
"""Unless told, all is measured `LEAST` times, and up to `MOST` times while that has taken less than `FILLED` seconds."""
LONG, ALIKE = 30.0, 1.05
"""Two times do if they took longer than `LONG` seconds together, and the slower no more than `ALIKE` times the faster."""


class Call(NamedTuple):
    """One operation at one step, done once."""

    operation: str
    step: int
    """-1 for the whole search."""
    rows: int
    """Rows really worked on."""
    seconds: float
    flops: int
    """By the ledger's price of those rows."""
    peak_gigabytes: float
    """NaN without an accelerator."""


@dataclass(frozen=True)
class Measured:
    """One operation at one step and batch size, measured one or more times."""

    batch: int
    operation: str
    step: int
    """-1 for the whole search."""
    rows: int
    """Rows really worked on."""
    seconds: float
    """Of a call, device synchronised, after a warm-up of the same shape: the median of `calls`."""
    seconds_lowest: float
    seconds_highest: float
    calls: int
    """How often it was measured."""
    tflop: float
    """By the ledger's price of those rows."""
    tflop_per_second: float
    share_of_peak: float
    """Of the card's dense bfloat16 peak; NaN where it is not known or the model does not compute in 16 bits."""
    peak_gigabytes: float
    """Most memory allocated up to then, weights included; NaN without an accelerator."""


def enough(seconds: Sequence[float], repeat: int | None) -> bool:
    """Whether all has been measured often enough; `seconds` are those of each time."""
    if repeat is not None:
        return len(seconds) >= repeat
    if len(seconds) < LEAST:
        return len(seconds) > 1 and sum(seconds) > LONG and max(seconds) <= ALIKE * min(seconds)
    return len(seconds) >= MOST or sum(seconds) >= FILLED


def measured(batch: int, peak: float, times: Sequence[Call]) -> Measured:
    """One operation at one step, of all the times that it was called."""
    first, seconds = times[0], [call.seconds for call in times]
    middle = median(seconds)
    rate = first.flops / middle
    return Measured(
        batch, first.operation, first.step, first.rows, middle, min(seconds), max(seconds), len(times), first.flops / 1e12, rate / 1e12,
        rate / peak, max(call.peak_gigabytes for call in times),
    )

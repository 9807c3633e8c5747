"""How often a measurement of time is repeated, so that the median of it passes over a short disturbance of the machine."""

from __future__ import annotations

from collections.abc import Sequence

LEAST, MOST, FILLED = 3, 10, 3.0
"""Unless told, all is measured `LEAST` times, and up to `MOST` times while that has taken less than `FILLED` seconds."""
LONG, ALIKE = 30.0, 1.05
"""Two times do if they took longer than `LONG` seconds together, and the slower no more than `ALIKE` times the faster."""
STARTING = 15.0
"""A run that measures before it begins measures once more only while that has taken less than so many seconds: it begins at most so
much later than by a single time."""


def enough(seconds: Sequence[float], repeat: int | None) -> bool:
    """Whether all has been measured often enough; `seconds` are those of each time."""
    if repeat is not None:
        return len(seconds) >= repeat
    if len(seconds) < LEAST:
        return len(seconds) > 1 and sum(seconds) > LONG and max(seconds) <= ALIKE * min(seconds)
    return len(seconds) >= MOST or sum(seconds) >= FILLED


def enough_to_start(seconds: Sequence[float]) -> bool:
    """The same for a run that waits for it."""
    return bool(seconds) and (enough(seconds, None) or sum(seconds) >= STARTING)

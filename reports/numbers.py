"""Numbers as a reader of a report wants them: scores and differences with their intervals, ratios, shares."""

from __future__ import annotations

import math

from harness.compute import amounts

NOTHING = amounts.NOTHING
_ROUNDING = 1e-9


def score(mean: float, low: float = math.nan, high: float = math.nan) -> str:
    """A score with the ends of its interval, where that has a width: "0.71 [0.60, 0.80]"."""
    if math.isnan(mean):
        return NOTHING
    return f"{_fixed(mean)} [{_fixed(low)}, {_fixed(high)}]" if _has_width(low, high) else _fixed(mean)


def difference(mean: float, low: float, high: float) -> str:
    """A signed difference with its interval, where that has a width: "+0.05 [−0.02, +0.12]".

    With more decimals where one of the three would read as nothing and is not: "+0.048 [+0.004, +0.092]".
    """
    if math.isnan(mean):
        return NOTHING
    if not _has_width(low, high):
        return _signed(mean, _decimals(mean))
    digits = _decimals(mean, low, high)
    return f"{_signed(mean, digits)} [{_signed(low, digits)}, {_signed(high, digits)}]"


def ends(low: float, high: float) -> str:
    """The interval of a difference, where that has a width: "[−0.02, +0.12]"; else empty."""
    digits = _decimals(low, high)
    return f"[{_signed(low, digits)}, {_signed(high, digits)}]" if _has_width(low, high) else ""


def vanishes(difference: float) -> bool:
    """Whether a difference is nothing in two decimals, as scores are printed."""
    return float(f"{difference:.2f}") == 0


def quotient(value: float, by: float) -> float:
    """One number over another; NaN over zero, as what costs nothing has no part in it and is no multiple of it."""
    return value / by if by else math.nan


def ratio(value: float) -> str:
    """A factor: "1.3×"."""
    return NOTHING if not math.isfinite(value) else f"{value:.3g}×"


def share(value: float) -> str:
    """A share in percent: "7 %"; what is not none or all does not read so: "under 1 %", "over 99 %"."""
    if not math.isfinite(value):
        return NOTHING
    text = f"{100 * value:.0f} %"
    if text == "0 %" and value > 0:
        return "under 1 %"
    return "over 99 %" if text == "100 %" and value < 1 - _ROUNDING else text


def part(count: float, total: float) -> str:
    """How many of all: "15 of 18", or "18" where it is all or none of them."""
    return f"{count:.0f}" if count in (0, total) else f"{count:.0f} of {total:.0f}"


def _has_width(low: float, high: float) -> bool:
    """Prompts that all score the same show no spread: that is no interval, and "[0.50, 0.50]" would be a claim."""
    return math.isfinite(low) and high - low > _ROUNDING


def with_width(low: float, high: float) -> tuple[float, float]:
    """The ends of an interval for a table of numbers; NaN where it has no width."""
    return (low, high) if _has_width(low, high) else (math.nan, math.nan)


def _fixed(value: float) -> str:
    text = f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
    return (text if float(text) else text.removeprefix("-")).replace("-", "−")


def _decimals(*values: float) -> int:
    """Decimals at which no value reads as zero that is not; two where four are too few for that."""
    some = [value for value in values if math.isfinite(value) and abs(value) > _ROUNDING]
    return next((digits for digits in (2, 3, 4) if all(float(f"{value:.{digits}f}") for value in some)), 2)


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return (text if float(text) else text[1:]).replace("-", "−")

"""Numbers as a reader of a report wants them: scores and differences with their intervals, ratios, shares."""

from __future__ import annotations

import math

from harness.compute import amounts

NOTHING = amounts.NOTHING


def score(mean: float, low: float = math.nan, high: float = math.nan) -> str:
    """A score with the ends of its interval, where that has a width: "0.71 [0.60, 0.80]"."""
    if math.isnan(mean):
        return NOTHING
    return f"{_fixed(mean)} [{_fixed(low)}, {_fixed(high)}]" if _has_width(low, high) else _fixed(mean)


def plus_minus(mean: float, low: float, high: float) -> str:
    """A score with half the width of its interval, where that has one: "0.71 ± 0.10"."""
    if math.isnan(mean):
        return NOTHING
    return f"{_fixed(mean)} ± {(high - low) / 2:.2f}" if _has_width(low, high) else _fixed(mean)


def difference(mean: float, low: float, high: float) -> str:
    """A signed difference with its interval, where that has a width: "+0.05 [−0.02, +0.12]"."""
    return NOTHING if math.isnan(mean) else f"{_signed(mean)} {ends(low, high)}".rstrip()


def ends(low: float, high: float) -> str:
    """The interval of a difference, where that has a width: "[−0.02, +0.12]"; else empty."""
    return f"[{_signed(low)}, {_signed(high)}]" if _has_width(low, high) else ""


def vanishes(difference: float) -> bool:
    """Whether a difference prints as 0.00."""
    return float(f"{difference:.2f}") == 0


def ratio(value: float) -> str:
    """A factor: "1.3×"."""
    return NOTHING if not math.isfinite(value) else f"{value:.3g}×"


def share(value: float) -> str:
    """A share in percent: "7 %"."""
    return NOTHING if not math.isfinite(value) else f"{100 * value:.0f} %"


def part(count: float, total: float) -> str:
    """How many of all: "15 of 18", or "18" where it is all or none of them."""
    return f"{count:.0f}" if count in (0, total) else f"{count:.0f} of {total:.0f}"


def _has_width(low: float, high: float) -> bool:
    """Prompts that all score the same resample to the same: that is no interval, and "± 0.00" would be a claim."""
    return math.isfinite(low) and high - low > 1e-9


def _fixed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if abs(value) < 100 else f"{value:.0f}".replace("-", "−")


def _signed(value: float) -> str:
    text = f"{value:+.2f}"
    return ("0.00" if float(text) == 0 else text).replace("-", "−")

"""What hours of a card buy: how many prompts of a planned search, or of all searches of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor

from harness.compute.amounts import hours
from harness.forecast.forecast import Forecast
from harness.forecast.gpu_hours import gpu_hours
from harness.forecast.hours_lines import line_hours
from harness.forecast.in_all import computed_flops, computed_seconds
from harness.run.units import WorkUnit


def prompts_of_line(given: float, one: Forecast, speeds: Mapping[str, float]) -> int | None:
    """How many prompts, each under all seeds, hours pay for if this is all that runs: by measured speeds if there are any, else by
    FLOPs. None where nothing takes time."""
    return _paid(given, one.total.seconds / 3600 if one.timed else line_hours(one, speeds), one.prompts)


def prompts_of_all(given: float, units: Sequence[WorkUnit], every: Sequence[Forecast], speeds: Mapping[str, float]) -> int | None:
    """The same of all searches together."""
    needed = computed_seconds(units, every) / 3600 if every[0].timed else gpu_hours(computed_flops(units, every), speeds)
    return _paid(given, needed, every[0].prompts)


def affordable_line(given: float, found: int | None, seeds: int) -> str:
    """`prompts_of_all` for people."""
    each = f", each under {seeds} seeds" if seeds > 1 else ""
    pay = "hour pays" if given == 1 else "hours pay"
    return f"{hours(given)} {pay} for {counted_prompts(found)} of everything above{each}, before loading, grading and the report"


def counted_prompts(found: int | None) -> str:
    """So many prompts."""
    return "any number of prompts" if found is None else f"about {float(f'{found:.3g}'):,.0f} prompt{'' if found == 1 else 's'}"


def _paid(given: float, needed: float, prompts: int) -> int | None:
    return floor(given * prompts / needed) if needed else None

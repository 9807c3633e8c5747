"""A plan as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import track

from harness.compute.amounts import amount, counted
from harness.forecast.affordable import Affordable, Bought
from harness.forecast.certainty import least_sure
from harness.forecast.details import details
from harness.forecast.forecast import Forecast
from harness.forecast.gpu_hours import gpu_hours
from harness.forecast.hours_lines import hours_left, hours_lines, line_hours
from harness.forecast.in_all import computed_flops, planned_flops
from harness.forecast.overview import overview, repeated
from harness.forecast.rehearsed import forecasts
from harness.forecast.skipped_units import left, saves, skipped_lines, skipped_values
from harness.forecast.time_lines import time_lines, time_values
from harness.forecast.unread_text import unread, unread_lines
from harness.forecast.unsure import between
from harness.run.prepared import Run, opening_lines
from harness.run.shard import Shard


def plan_lines(
    run: Run, speeds: Mapping[str, float] | None = None, shard: Shard | None = None, given: float | None = None
) -> Iterator[str]:
    """What a prepared run will do, for people; with FLOP/s by model also how long a card would take, which part is a shard's, and
    how many prompts the hours given pay for."""
    yield from opening_lines(run)[:-1]
    every = _followed(run)
    yield ""
    bought = Affordable(run, every, speeds or {}, given) if given else None
    yield from overview(every, speeds, bought)
    flops = computed_flops(run.units, every)
    rest = f", {amount(flops_left(run, every, flops), 'flops')} of it still to do" if saves(run) else ""
    yield f"{counted(len(run.units), 'unit')}; {least_sure(every)}{amount(sum(flops.values()), 'flops')} to compute in all{rest}"
    yield from skipped_lines(run, shard)
    if any(sum(map(len, unit.budgets.values())) > 1 for unit in run.units):
        yield "each line above is priced as if it ran alone; lines that share a set of images compute it once in all"
    yield from repeated(every)
    if speeds:
        yield from hours_lines(run, every, flops, speeds, shard)
    yield from unread_lines(run.session, every)
    if every[0].timed:
        yield from time_lines(run, every, shard)
    elif not speeds:
        yield ("no time is estimated: --calibrate measures every operation first, --speeds takes what bench-model has measured on a card, "
               "--tflops a card's speed")  # fmt: skip
    if bought:
        yield bought.line()
    for forecast in every:
        yield ""
        yield from details(forecast)
    yield ""
    yield "passes, candidates, previews: rows of each step of the model, for one prompt, the one with the longest text"
    yield "NFE: one per candidate and pass; forwards: passes as they run, shared by siblings, twice where guidance needs a second half"


def plan_json(
    run: Run, speeds: Mapping[str, float] | None = None, shard: Shard | None = None, given: float | None = None
) -> str:
    """The same for programs."""
    every = _followed(run)
    flops = computed_flops(run.units, every)
    bought = Affordable(run, every, speeds or {}, given) if given else None
    values = {
        "suite": run.session.suite_name,
        "notes": run.notes,
        "units": len(run.units),
        "computed_flops": sum(flops.values()),
        **skipped_values(run, shard),
        **({"gpu_hours": gpu_hours(flops, speeds)} if speeds else {}),
        **({"gpu_hours_left": hours_left(run, every, flops, speeds)} if speeds and saves(run) else {}),
        **({"shard_gpu_hours": hours_left(run, every, flops, speeds, shard)} if speeds and shard is not None else {}),
        "unread_prompts": unread(run.session, every),
        **(time_values(run, every, shard) if run.session.measured else {}),
        **({"affordable_prompts": bought.of_all().prompts} if bought else {}),
        "searches": [_values(run, one, speeds or {}, bought.by_line(place) if bought else None) for place, one in enumerate(every)],
    }
    return json.dumps(values, indent=2)


def flops_left(run: Run, every: Sequence[Forecast], flops: Mapping[str, float]) -> float:
    """FLOPs of all models together that are still to do: what those units are planned to take of all."""
    own, whole = (sum(planned_flops(units, every).values()) for units in (left(run), run.units))
    return sum(flops.values()) * own / (whole or 1)


def _values(run: Run, one: Forecast, speeds: Mapping[str, float], bought: Bought | None) -> dict[str, Any]:
    return {
        **one.as_values(),
        **({"seconds_range": [one.total.seconds * end for end in between(run.session, one)]} if run.session.speed_files else {}),
        **({"gpu_hours": line_hours(one, speeds)} if speeds else {}),
        **({"affordable_prompts": bought.prompts} if bought else {}),
    }


def _followed(run: Run) -> list[Forecast]:
    """All forecasts; on a terminal with a bar that shows how many there are still to make."""
    console = Console(stderr=True)
    count = len({(unit.model, unit.search, verifier, budget)
                 for unit in run.units for verifier, budgets in unit.budgets.items() for budget in budgets})  # fmt: skip
    bar = track(forecasts(run), "planning", count, console=console, transient=True, disable=not console.is_terminal)
    return list(bar)

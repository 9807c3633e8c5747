"""A forecast as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_type_hints

from rich.console import Console
from rich.progress import track

from harness.compute.amounts import amount, between, budgets, counted, hours
from harness.compute.amounts import budget as budgeted
from harness.compute.ledger import Unit
from harness.forecast.forecast import Forecast, computed_flops, forecasts
from harness.forecast.gpu_hours import gpu_hours
from harness.forecast.hours_lines import hours_left, hours_lines, line_hours
from harness.forecast.skipped_units import skipped_lines, skipped_values
from harness.forecast.time_lines import time_lines, time_values
from harness.forecast.unread_text import unread, unread_lines
from harness.run.prepared import Run, opening_lines
from harness.run.progress import duration
from harness.run.shard import Shard
from harness.search.spec import parse_search

_SHOWN = ("nfe", "forwards", "flops", "images", "verifier_calls", "seconds", "verifier_seconds")
_NAMES = {
    "nfe": "NFE", "verifier_calls": "verifier calls", "flops": "", "seconds": "expected", "verifier_seconds": "in the verifier",
}  # fmt: skip
_ROWS = {"predict": "passes", "draw": "candidates", "preview": "previews", "decode": "images"}


def plan_lines(run: Run, speeds: Mapping[str, float] | None = None, shard: Shard | None = None) -> Iterator[str]:
    """What a prepared run will do, for people; with FLOP/s by model also how long a card would take, and which part is a shard's."""
    yield from opening_lines(run)[:-1]
    every = _followed(run)
    yield ""
    yield from _overview(every, speeds)
    flops = computed_flops(run, every)
    yield f"{counted(len(run.units), 'unit')}; {_least_sure(every)}{amount(sum(flops.values()), 'flops')} to compute in all"
    yield from skipped_lines(run, shard)
    if any(sum(map(len, unit.budgets.values())) > 1 for unit in run.units):
        yield "each line above is priced as if it ran alone; lines that share a set of images compute it once in all"
    yield from _repeated(every)
    if speeds:
        yield from hours_lines(run, every, flops, speeds, shard)
    yield from unread_lines(run.session, every)
    if every[0].timed:
        yield from time_lines(run, every, shard)
    elif not speeds:
        yield ("no time is estimated: --calibrate measures every operation first, --speeds takes what bench-model has measured on a card, "
               "--tflops a card's speed")  # fmt: skip
    for forecast in every:
        yield ""
        yield from _lines(forecast)
    yield ""
    yield "passes, candidates, previews: rows of each step of the model, for one prompt, the one with the longest text"
    yield "NFE: one per candidate and pass; forwards: passes as they run, shared by siblings, twice where guidance needs a second half"


def _followed(run: Run) -> list[Forecast]:
    """All forecasts; on a terminal with a bar that shows how many there are still to make."""
    console = Console(stderr=True)
    count = len({(unit.model, unit.search, verifier, budget)
                 for unit in run.units for verifier, budgets in unit.budgets.items() for budget in budgets})  # fmt: skip
    bar = track(forecasts(run), "planning", count, console=console, transient=True, disable=not console.is_terminal)
    return list(bar)


def _overview(every: Sequence[Forecast], speeds: Mapping[str, float] | None) -> Iterator[str]:
    """Every pair, verifier and budget in a line: how much of the budget is used, and FLOPs and time of all prompts."""
    several, timed = len({one.verifier for one in every}) > 1, every[0].timed
    rows = [["pair", *["verifier"] * several, "budget", "used", "FLOPs", *["GPU-hours"] * bool(speeds), *["time"] * timed]]
    for one in every:
        budget = budgeted(one.budget.amount, one.budget.unit.value)
        shares = [f"{1 - max(0.0, left) / one.budget.amount:.0%}" for left in reversed(one.unused())]
        used = shares[0] if shares[0] == shares[1] else f"{shares[0]} to {shares[1]}"
        cells = [f"{_sure_of_budget(one)}{used}", f"{_sure(one)}{amount(one.total.flops, 'flops')}"]
        cells += [hours(line_hours(one, speeds))] if speeds else []  # at rough speeds, so no bound
        cells += [f"{_sure_of_time(one)}{duration(one.total.seconds)}"] * timed
        rows.append([f"{one.model} {one.search}", *[one.verifier] * several, budget, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _repeated(every: Sequence[Forecast]) -> Iterator[str]:
    """Budgets of which the larger ones buy nothing more, as parameters are fixed."""
    same: dict[tuple[str, str, object], list[float]] = {}
    for one in every:
        does = (one.total, *(str(each.plan.parameters) for each in one.variants))
        same.setdefault((f"{one.model} {one.search}", one.verifier, does), []).append(one.budget.amount)
    unit, said, judges = every[0].budget.unit.value, dict[tuple[str, str], list[str]](), dict[str, set[str]]()
    for (pair, verifier, _), found in same.items():
        judges.setdefault(pair, set()).add(verifier)
        if len(found) > 1:
            said.setdefault((pair, budgets(found, unit)), []).append(verifier)
    for (pair, amounts), names in said.items():
        whose = "" if set(names) == judges[pair] else f" by {', '.join(names)}"
        yield f"{pair}{whose} does the same at {amounts}"


def _sure(forecast: Forecast) -> str:
    """What stands before an amount that scores have a say in."""
    return "at most " if forecast.bound else "about " if forecast.shared else ""


def _sure_of_time(forecast: Forecast) -> str:
    """The same before its time: scores decide which rows share a batch, and a rehearsal makes them up."""
    return "about " if forecast.lasting else _sure(forecast)


def _sure_of_budget(forecast: Forecast) -> str:
    """The same before what is used of the budget: shared passes save FLOPs and seconds, and neither NFE nor images."""
    return "" if forecast.bound and not forecast.example and forecast.budget.unit in (Unit.NFE, Unit.IMAGES) else _sure(forecast)


def _least_sure(every: Sequence[Forecast]) -> str:
    """What stands before a sum: one with an estimate in it is no bound."""
    return next((word for word in ("about ", "at most ") if word in map(_sure, every)), "")


def plan_json(run: Run, speeds: Mapping[str, float] | None = None, shard: Shard | None = None) -> str:
    """What a prepared run will do, for programs."""
    every = _followed(run)
    flops = computed_flops(run, every)
    values = {
        "suite": run.session.suite_name,
        "notes": run.notes,
        "units": len(run.units),
        "computed_flops": sum(flops.values()),
        **skipped_values(run, shard),
        **({"gpu_hours": gpu_hours(flops, speeds)} if speeds else {}),
        **({"gpu_hours_left": hours_left(run, flops, speeds)} if speeds and run.session.settings.reuse else {}),
        **({"shard_gpu_hours": hours_left(run, flops, speeds, shard)} if speeds and shard is not None else {}),
        "unread_prompts": unread(run.session, every),
        **(time_values(run, every, shard) if run.session.measured else {}),
        "searches": [{**one.as_values(), **({"gpu_hours": line_hours(one, speeds)} if speeds else {})} for one in every],
    }
    return json.dumps(values, indent=2)


def _lines(forecast: Forecast) -> Iterator[str]:
    columns = [name for name in _SHOWN if forecast.timed or not name.endswith("seconds")]
    budget = budgeted(forecast.budget.amount, forecast.budget.unit.value)
    steps = len(forecast.rows["predict"]) - 1
    yield f"{forecast.model} with {forecast.search} by {forecast.verifier} at {budget} a prompt"
    for variant in forecast.variants if _differ(forecast) else forecast.variants[:1]:
        whose = f" ({counted(variant.prompts, 'prompt')})" if _differ(forecast) else ""
        yield f"  chosen      {_chosen(variant.plan.parameters, steps)}{whose}"
    yield from _presets(forecast.search)
    each = forecast.per_prompt()
    often = "on average " if forecast.shared else _sure(forecast)
    yield f"  a prompt    {often}" + ", ".join(_range(each[name], name) for name in columns)
    for operation, counts in forecast.rows.items():
        second, _, name = operation.rpartition(" ")
        most = "such as " if forecast.example else "at most " if forecast.bound and operation == "predict" else ""
        yield f"  {_ROWS[name]:<11} {most}{_counted(name, counts)}" + (" of the second model" if second else "")
    if forecast.budget.unit is Unit.IMAGES and any(forecast.looks()):
        yield f"  counted     {often}{_range(forecast.looks(), 'looks')} at previews, each as an image of the budget"
    yield f"  unused      {_unused(forecast)}"
    total = forecast.total.as_columns()
    runs = counted(forecast.prompts, "prompt") + (f", {forecast.seeds} seeds" if forecast.seeds > 1 else "")
    yield f"  {runs}: {_sure(forecast)}" + ", ".join(_range((total[name], total[name]), name) for name in columns)
    if forecast.shared:
        yield "  prompts share one total, and scores decide who gets more; rows are those of a prompt that has its part to itself"
    elif forecast.example:
        yield f"  scores decide {'how much of it' if forecast.bound else 'at which steps it'} is done; rows are those of made-up scores"
    elif forecast.bound:
        yield "  scores decide how many passes candidates share, and so how much less is done"


def _presets(text: str) -> Iterator[str]:
    """That a preset is the default and no model's own, and which others there are; nothing where one is named, or none is had."""
    search = parse_search(text)
    taken = "" if "preset=" in text else getattr(search, "preset", "")
    others = [name for name in get_args(get_type_hints(type(search)).get("preset")) if name != taken]
    if taken and others:
        yield f"  preset      {taken}, the default for every model; others: {', '.join(others)}, as in {search.name}:preset={others[0]}"


def _chosen(parameters: Mapping[str, Any], steps: int) -> str:
    """Parameters in a row; those of a search within another in brackets."""
    return ", ".join(_parameter(name, value, steps) for name, value in parameters.items())


def _parameter(name: str, value: Any, steps: int) -> str:
    if isinstance(value, Mapping):
        return f"{name} ({_chosen(value, steps)})"
    if name == "looks" and isinstance(value, str):  # which they are, not how many
        return f"looks at step{'s' * ('/' in value)} {value.replace('/', ', ')} of {steps}"
    return f"{name} {value}"


def _differ(forecast: Forecast) -> bool:
    return any(each.plan.parameters != forecast.variants[0].plan.parameters for each in forecast.variants)


def _range(ends: Sequence[float], column: str) -> str:
    least, most = (amount(end, column) for end in ends)
    name = _NAMES.get(column, column)
    if least == most == "1" and name.endswith("s"):
        name = name.removesuffix("s")
    return f"{least if least == most else f'{least} to {most}'} {name}".rstrip()


def _counted(operation: str, counts: Sequence[int]) -> str:
    if operation == "decode":
        return str(sum(counts))
    return f"{sum(counts)}: " + " ".join(map(str, counts[: len(counts) if counts[-1] else -1])) + " by step"


def _unused(forecast: Forecast) -> str:
    sure = _sure_of_budget(forecast)
    ends = [(max(0.0, left), left / forecast.budget.amount) for left in forecast.unused()]
    shares = [f"{max(0.0, share):.1%}" for _, share in ends]
    if set(shares) == {"0.0%"}:
        return "nothing" + (", or more where scores save passes" if sure == "at most " else "")
    unit = forecast.budget.unit.value
    often = "at least " if sure == "at most " else sure
    return often + between(ends[0][0], ends[1][0], unit) + f" ({shares[0] if shares[0] == shares[1] else ' to '.join(shares)})"

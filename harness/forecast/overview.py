"""All searches of a plan in a table, a line each, and which of their budgets buy nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.compute.amounts import amount, budgets, hours
from harness.compute.amounts import budget as budgeted
from harness.forecast.affordable import Affordable
from harness.forecast.certainty import sure, sure_of_budget, sure_of_time
from harness.forecast.forecast import Forecast
from harness.forecast.hours_lines import line_hours
from harness.run.progress import duration


def overview(every: Sequence[Forecast], speeds: Mapping[str, float] | None, bought: Affordable | None = None) -> Iterator[str]:
    """Every model with its search, verifier and budget in a line: how much of the budget is used, FLOPs and time of all prompts, and
    how many prompts the hours that one has pay for."""
    several, timed = len({one.verifier for one in every}) > 1, every[0].timed
    rows = [["model and search", *["verifier"] * several, "budget", "used", "FLOPs", *["GPU-hours"] * bool(speeds), *["time"] * timed]]
    rows[0] += [f"{hours(bought.given)} h pay for"] if bought else []
    for place, one in enumerate(every):
        budget = budgeted(one.budget.amount, one.budget.unit.value)
        shares = [f"{1 - max(0.0, left) / one.budget.amount:.0%}" for left in reversed(one.unused())]
        used = shares[0] if shares[0] == shares[1] else f"{shares[0]} to {shares[1]}"
        cells = [f"{sure_of_budget(one)}{used}", f"{sure(one)}{amount(one.total.flops, 'flops')}"]
        cells += [hours(line_hours(one, speeds))] if speeds else []  # at rough speeds, so no bound
        cells += [f"{sure_of_time(one)}{duration(one.total.seconds)}"] * timed
        cells += [str(bought.by_line(place))] if bought else []
        rows.append([f"{one.model} {one.search}", *[one.verifier] * several, budget, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def repeated(every: Sequence[Forecast]) -> Iterator[str]:
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

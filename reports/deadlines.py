"""Budgets in seconds are deadlines: how often a search was still at work after one, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from harness.compute import amounts
from reports import numbers
from reports.keys import POINT
from reports.summary import Summary
from results.schema import OVERRUN, TOTALS

COLUMN = "after the deadline"
"""Head of the column wherever methods stand side by side that were given seconds."""


def overruns(summary: Summary) -> pd.DataFrame:
    """One row per point that was budgeted in seconds: selections `held` to it, `late` ones, their `mean` and `most` seconds.

    None is held to it where one pool of images serves several budgets or verifiers, or where a table does not say.
    """
    timed = summary.runs.selections
    timed = timed[timed["budget_unit"] == "seconds"]
    late = timed.assign(late=timed[OVERRUN].where(timed[OVERRUN] > 0)).groupby(POINT)
    return late.agg(held=(OVERRUN, "count"), late=("late", "count"), mean=("late", "mean"), most=("late", "max")).reset_index()


def after_deadline(summary: Summary) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    """For one table: from a point to its cell, "3 of 12, by 0.2 s", selections whose search went on, and for how long on average.

    Points that were budgeted in other units have no such cell.
    """
    every = overruns(summary).set_index(POINT).to_dict("index")

    def cell(point: Mapping[str, Any]) -> dict[str, str]:
        if point["budget_unit"] != "seconds":
            return {}
        own = every.get(tuple(point[name] for name in POINT))
        if own is None or not own["held"]:
            return {COLUMN: numbers.NOTHING}
        by = f", by {amounts.amount(float(own['mean']), 'seconds')}" if own["late"] else ""
        return {COLUMN: f"{int(own['late'])} of {int(own['held'])}{by}"}

    return cell


def deadline_notes(summary: Summary) -> list[str]:
    """What a budget in seconds means and how it was kept; nothing where none was given."""
    every = overruns(summary)
    if every.empty:
        return []
    rule = "A budget in seconds is a deadline for choosing: what was scored after it is not chosen from"
    held, late = int(every["held"].sum()), int(every["late"].sum())
    if not held:
        return [f"{rule}, and its cost is in no figure of what was spent. These tables do not say how long searches went on."]
    rule += f", {_counted(summary)}."
    by = f", by {amounts.amount(float(every['most'].max()), 'seconds')} at most" if late else ""
    pools = (
        " Images that serve several budgets or verifiers from one pool are not among them: what one of these would have run in vain is "
        "not known, and in no figure."
    ) if not every["held"].all() else ""  # fmt: skip
    return [f"{rule} {late} of {held} searches were still at work when their time was up{by}: “{COLUMN}”.{pools}"]


def _counted(summary: Summary) -> str:
    """Whether what was run after a deadline is in the figures: older tables know its seconds only."""
    timed = summary.runs.selections
    timed = timed[timed[OVERRUN] > 0]
    unknown = timed[TOTALS["seconds"]].isna()
    if not unknown.any():
        return "but its cost is in every figure of what was spent"
    return f"and its cost is in {'no figure' if unknown.all() else 'some figures only'} of what was spent, as tables are older"

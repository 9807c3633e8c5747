"""What a comparison that settles nothing says about the next one: how many prompts would tell leads like those seen."""

from __future__ import annotations

import math

from reports import numbers
from reports.certainty import NOT_SEPARABLE, settled
from reports.equal_compute import Comparison, Standing
from reports.summary import Summary
from reports.verdict import listed

MOST_TIMES = 100
"""Beyond so many times the prompts the lead is as good as none, and their number is no plan."""


def prompts_to_tell(standing: Standing, prompts: int) -> int | None:
    """Prompts, spread over the tasks as these are, at which the interval of this difference would just exclude zero.

    An interval's width falls as one over the root of the prompts. With so many, a lead as large as the one seen is told
    every other time, so it is a lower bound. None where the difference is settled, has no interval, prints as nothing or
    would take more than MOST_TIMES the prompts.
    """
    lead, low, high = standing.behind
    if settled(low, high) != NOT_SEPARABLE or numbers.vanishes(lead):
        return None
    times = ((high - low) / 2 / lead) ** 2
    return math.ceil(times * prompts) if times <= MOST_TIMES else None


def outlook(summary: Summary, comparison: Comparison) -> list[str]:
    """One sentence on the best method's leads over the next and over the best of another model; none where nothing is to be said."""
    leaders = comparison.leaders
    models = {standing.method.model for standing in leaders}
    behind = comparison.standings[len(leaders) :]
    foreign = next((standing for standing in behind if standing.method.model not in models), None)
    rivals = [*behind[:1], *([foreign] if foreign is not None and foreign is not behind[0] else [])]
    needed = [(summary.label(standing.method), prompts_to_tell(standing, comparison.prompts)) for standing in rivals]
    told = [f"from {label} takes at least about {_rounded(count)} prompts" for label, count in needed if count is not None]
    if not told:
        return []
    best = listed([summary.label(standing.method) for standing in leaders])
    return [f"If the leads are as large as seen, telling {best} {listed(told)} ({comparison.prompts} here)."]


def _rounded(count: int) -> str:
    """Two digits: it is an estimate from an estimate."""
    place = 10 ** max(len(str(count)) - 2, 0)
    return f"{math.ceil(count / place) * place:,}"

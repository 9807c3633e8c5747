"""What a comparison that settles nothing says about the next one: how many prompts would tell leads like those seen."""

from __future__ import annotations

import math
from bisect import bisect_left

from reports import numbers
from reports.certainty import NOT_SEPARABLE, YES, settled
from reports.equal_compute import Comparison, Standing, behind_best
from reports.summary import Summary
from reports.verdict import listed

MOST_TIMES = 100
"""Beyond so many times the prompts the lead is as good as none, and their number is no plan."""


def prompts_to_tell(summary: Summary, comparison: Comparison, standing: Standing) -> int | None:
    """Prompts, spread over the tasks as these are and alike in all else, at which the interval of this difference just excludes zero.

    With so many, a lead as large as the one seen is told every other time. None where the difference is settled, has no interval,
    prints as nothing or would take more than MOST_TIMES the prompts.
    """
    if settled(*standing.behind[1:]) != NOT_SEPARABLE or numbers.vanishes(standing.behind[0]):
        return None

    def tells(prompts: int) -> bool:
        return settled(*behind_best(summary, comparison, standing, prompts / comparison.prompts)[1:]) == YES

    counts = range(comparison.prompts, MOST_TIMES * comparison.prompts + 1)
    place = bisect_left(counts, True, key=tells)
    return counts[place] if place < len(counts) else None


def outlook(summary: Summary, comparison: Comparison) -> list[str]:
    """One sentence on the best method's leads over its rival and over the best of another model; none where nothing is to be said."""
    leaders = comparison.leaders
    rivals = dict.fromkeys(standing for standing in (comparison.rival, *comparison.foreign[:1]) if standing is not None)
    needed = [(summary.label(standing.method), prompts_to_tell(summary, comparison, standing)) for standing in rivals]
    told = [f"from {label} takes about {_rounded(count)} prompts" for label, count in needed if count is not None]
    if not told:
        return []
    best = listed([summary.label(standing.method) for standing in leaders])
    return [f"If the leads are as large as seen, telling {best} {listed(told)} for an even chance of it ({comparison.prompts} here)."]


def _rounded(count: int) -> str:
    """Two digits: it is an estimate from an estimate."""
    place = 10 ** max(len(str(count)) - 2, 0)
    return f"{math.ceil(count / place) * place:,}"

"""One line of the answer: what a comparison says, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.compute import amounts
from reports import numbers
from reports.certainty import NOT_SEPARABLE, TOO_FEW, YES, settled
from reports.equal_compute import Comparison, Standing
from reports.statistics import OVERALL
from reports.summary import Summary

MOST_NAMED = 4
"""Methods that the first lines name where several score the same; of more they say how many tie, and a sentence names them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One comparison, ready to print."""

    same_budget: bool
    where: str
    """ "budget of 10 GFLOP", or "43.8 GFLOP spent"."""
    spent: str
    """What was really spent of a budget, or that scores are interpolated; empty where there is nothing to add."""
    leaders: tuple[str, ...]
    """The best method; more than one where they score the same."""
    model: str
    """Model of the best; empty where leaders are of several."""
    score: str
    lead: str
    """Lead over the first method that the best cannot be told from, or over the next one; empty where all score the same."""
    sure: str
    """YES, or why the best cannot be told from that method."""
    model_lead: str
    """Lead over the best method of another model, where that is another one; else empty."""
    model_sure: bool
    """Whether the best is separable from every method of another model, and there is one."""
    methods: int
    behind: tuple[str, ...] = ()
    """The methods that the best can be told from."""
    apart: str = ""
    """ "[−0.19, +0.19]": how far the methods may lie apart where all score the same; empty without an interval."""
    only: str = ""
    """ "15 of 18 prompts" where not all have scores of all methods; else empty."""
    already: str = ""
    """ "already ar + random: 0.92 at 9.87 GFLOP": who is not compared, as it had spent less, and scores as high as the best; else empty."""

    @property
    def others(self) -> int:
        """How many methods do not lead."""
        return self.methods - len(self.leaders)

    @property
    def best(self) -> str:
        """The leaders, or that there are none."""
        every = "both methods" if self.methods == 2 else f"all {self.methods} methods"
        return (self.many or " = ".join(self.leaders)) if self.lead else f"{every} the same"

    @property
    def highest(self) -> str:
        """The leaders as their row has them, with who had their score for less."""
        return "; ".join(filter(None, (self.best, self.already)))

    @property
    def many(self) -> str:
        """ "8 of 10 methods tie" where the leaders are too many to name; else empty."""
        return f"{len(self.leaders)} of {self.methods} methods tie" if len(self.leaders) > MOST_NAMED else ""

    @property
    def tied(self) -> str:
        """Who ties, where the first lines only say how many; else empty."""
        return f"The {len(self.leaders)} that tie {self.at}: {listed(self.leaders)}." if self.lead and self.many else ""

    @property
    def ahead(self) -> str:
        """The lead, or where there is none within what the methods score the same: "same score [−0.19, +0.19]"."""
        return self.lead or (f"same score {self.apart}" if self.apart else numbers.NOTHING)

    @property
    def told(self) -> str:
        """Whether the best can be told from the others, or from how many, or at least its model."""
        if self.sure != YES and self.model and self.model_sure:
            return "the model yes, its search no"
        return f"from {len(self.behind)} of {self.others}" if self.sure == NOT_SEPARABLE and self.behind else self.sure

    @property
    def at(self) -> str:
        """Where, within a sentence."""
        return f"under a {self.where}" if self.same_budget else f"at {self.where}"


def verdict(summary: Summary, comparison: Comparison) -> Verdict:
    """Put a comparison in words."""
    leaders, rival, foreign, prompts = comparison.leaders, comparison.rival, comparison.foreign, len(summary.values)
    only = f"{comparison.prompts} of {prompts} prompts" if comparison.prompts < prompts else ""
    models = {standing.method.model for standing in leaders}
    return Verdict(
        same_budget=comparison.same_budget,
        where=where(comparison),
        spent="; ".join(filter(None, (_really_spent(summary, comparison), _compared(comparison), only and f"on {only}"))),
        leaders=tuple(summary.label(standing.method, comparison.budget_unit) for standing in leaders),
        model=models.pop() if len(models) == 1 else "",
        score=score(comparison.best),
        lead=_lead(summary, comparison, rival) if rival else "",
        sure=_sure(comparison),
        model_lead=_lead(summary, comparison, foreign[0]) if foreign and foreign[0] is not rival else "",
        model_sure=bool(foreign) and all(standing.separable for standing in foreign),
        methods=len(comparison.standings),
        behind=tuple(summary.label(each.method, comparison.budget_unit) for each in comparison.standings if each.separable),
        apart="" if rival else numbers.ends(*_apart(comparison)),
        only=only,
        already=_already(summary, comparison),
    )


def _already(summary: Summary, comparison: Comparison) -> str:
    """The highest of those who had reached the best score with less, and how many others had; empty without any."""
    if not comparison.already:
        return ""
    first, *others = comparison.already
    more = f", and {amounts.counted(len(others), 'other')}" if others else ""
    at = amounts.budget(first.high, comparison.unit)
    return f"already {summary.label(first.method, comparison.budget_unit)}: {numbers.score(first.reached)} at {at}{more}"


def where(comparison: Comparison) -> str:
    """The amount compared at: "budget of 10 GFLOP", or "43.8 GFLOP spent"."""
    amount = amounts.budget(comparison.amount, comparison.unit)
    return f"budget of {amount}" if comparison.same_budget else f"{amount} spent"


def score(standing: Standing) -> str:
    """A score with its interval, marked "≈" where it is read between two measured points."""
    return ("≈\u00a0" if standing.interpolated else "") + numbers.score(standing.mean, standing.low, standing.high)


def listed(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sure(comparison: Comparison) -> str:
    """The word of the pair that the line names; where all who cannot be told from the best score the same as it, theirs."""
    if comparison.rival and not comparison.rival.separable:
        return settled(*comparison.rival.behind[1:])
    found = [settled(*standing.behind[1:]) for standing in comparison.standings[1:]]
    return next((word for word in (TOO_FEW, NOT_SEPARABLE) if word in found), YES)


def without_interval(summary: Summary, comparison: Comparison) -> list[str]:
    """One sentence on the differences to the best that have no interval though there are prompts enough; none without such."""
    if np.isnan(comparison.best.low):  # of too few prompts, in all or of one task, no mean has an interval
        return []
    found = [each for each in comparison.standings[1:] if settled(*each.behind[1:]) == TOO_FEW]
    names = [summary.label(standing.method, comparison.budget_unit) for standing in found]
    if not names:
        return []
    return [f"The lead over {listed(names)} has no interval: so few prompts differ that chance alone may turn all of them one way."]


def _lead(summary: Summary, comparison: Comparison, standing: Standing) -> str:
    return f"{numbers.difference(*standing.behind)} over {summary.label(standing.method, comparison.budget_unit)}"


def _apart(comparison: Comparison) -> tuple[float, float]:
    """The outermost ends of the paired intervals, which hold together."""
    lows, highs = zip(*(standing.behind[1:] for standing in comparison.standings[1:]), strict=True)
    return float(np.min(lows)), float(np.max(highs))


def _compared(comparison: Comparison) -> str:
    """ "4 of 10 methods" where not all that this verifier guided are compared, with their model where it is one of several; else empty."""
    every = len(comparison.standings) + len(comparison.left_out)
    models = {standing.method.model for standing in comparison.standings}
    alone = len(models) == 1 and any(one.method.model not in models for one in comparison.left_out)
    said = f"{len(comparison.standings)} of {every} methods"
    return "" if not comparison.left_out else f"{said}, all of {models.pop()}" if alone else said


def _really_spent(summary: Summary, comparison: Comparison) -> str:
    if not comparison.same_budget:
        return "some interpolated" if any(standing.interpolated for standing in comparison.standings) else ""
    points = summary.points[(summary.points["task"] == OVERALL) & (summary.points["budget"] == comparison.amount)]
    points = points[points["budget_unit"] == comparison.unit]
    points = points[(points["metric"] == summary.truth) & (points["verifier"] == summary.runs.verifiers[0])]
    spent = amounts.between(points[comparison.unit].min(), points[comparison.unit].max(), comparison.unit)
    return "" if spent == amounts.budget(comparison.amount, comparison.unit) else f"{spent} spent"

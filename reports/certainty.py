"""How sure a report may be: one wording for what cannot be told, and whether there are prompts enough for an interval."""

from __future__ import annotations

import math

from harness.compute import amounts
from reports.emphasis import crowded
from reports.overlap import moves_budget
from reports.statistics import LEVEL
from reports.summary import Summary
from results.prompts_needed import least_prompts

YES = "yes"
SEPARABLE = f"separable at {100 * LEVEL:.0f} %"
NOT_SEPARABLE = f"not {SEPARABLE}"
TOO_FEW = "too few prompts to tell"


def settled(low: float, high: float) -> str:
    """YES where the interval of a difference excludes zero, else why not."""
    if math.isnan(low):
        return TOO_FEW
    return YES if low > 1e-9 or high < -1e-9 else NOT_SEPARABLE


def has_intervals(summary: Summary) -> bool:
    """Whether any mean of the truth over all tasks has prompts enough for an interval."""
    if summary.truth is None:
        return False
    return bool(summary.sample.enough(summary.values[[summary.truth]].to_numpy(dtype=float)).any())


def intervals_drawn(summary: Summary) -> str:
    """How curves show the intervals of the first verifier's methods: as bands, or as bars where a method has one budget."""
    several = {len(given) > 1 for (_, verifier), given in summary.given.items() if verifier == summary.runs.verifiers[0]}
    shape = "Bars" if several == {False} else "Bands (bars where a method has one budget)" if False in several else "Bands"
    if not has_intervals(summary):
        return f"No {shape[0].lower()}{shape[1:]}: {too_few(summary)}."
    beside = " Methods that spent about the same stand side by side, a little off what they spent." if False in several else ""
    narrow = "; those of adaptive are too narrow" if moves_budget(method.search for method in summary.methods) else ""
    return f"{shape}: 95 % intervals over prompts{', of those in colour' if crowded(summary) else ''}{narrow}.{beside}"


def too_few(summary: Summary) -> str:
    """ "12 prompts are too few (at least 15)"; empty where there are intervals."""
    if has_intervals(summary):
        return ""
    prompts, least = len(summary.values), least_prompts(len(summary.tasks))
    if prompts >= least and summary.values.groupby(level="task").size().min() > 1:
        return "too many scores are missing (every task needs two prompts that have one)"
    rest = f"at least {least}" if prompts < least else "two or more in every task"
    return f"{prompts} prompt{'s are' if prompts != 1 else ' is'} too few ({rest})"


def more_prompts(summary: Summary) -> str:
    """How to get intervals where the prompts are too few: "Run it with --prompts 15 or more (make: PROMPTS=15)."; else empty.

    Where the suite itself has too few, that is said instead.
    """
    tasks, prompts, suite = len(summary.tasks), len(summary.values), summary.runs.manifests[0]["suite"]
    if summary.runs.unfinished or has_intervals(summary) or prompts >= least_prompts(tasks):
        return ""
    if prompts == tasks:  # a larger sample may have more tasks: one of more prompts than tasks has all
        tasks = max(tasks, len(suite["tasks"]))
    least, total = least_prompts(tasks), suite.get("prompts_total")
    if total is not None and total < least:
        return f"The suite has {amounts.counted(total, 'prompt')} and intervals take {least}."
    return f"Run it with --prompts {least} or more (make: PROMPTS={least})."


def intervals_sentence(summary: Summary) -> str:
    """What a reader may expect of every mean on the page."""
    if has_intervals(summary):
        return "Brackets: 95 % intervals over prompts."
    return f"No intervals, and no difference here is settled: {too_few(summary)}."

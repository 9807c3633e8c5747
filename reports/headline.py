"""The first sentence of a report: what its own budgets say, and whether another count of compute says otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compute.amounts import counted
from reports.certainty import NOT_SEPARABLE, TOO_FEW, YES
from reports.verdict import Verdict, listed

NO_SCORES = "No two methods have scores for the same prompts at the same cost, so they cannot be compared."
NOTHING_SHARED = "The methods share neither a budget nor an amount of compute, so they cannot be compared at equal cost."


def headline(main: Verdict, others: Sequence[Verdict], prompts: int, few: str) -> str:
    """One or two sentences.

    `main` is what the run asked for; `others` are smaller budgets and other units, which have a say only where their own
    difference is settled. `few` says why there are no intervals; empty where there are.
    """
    first = _first(main, prompts, few)
    against = [other for other in others if other.sure == YES and other.leaders != main.leaders]
    if not against:
        return first
    says = listed([f"{listed(other.leaders)} {other.at}" for other in against])
    return f"{first} The answer depends on the compute: ahead is {says}."


def _first(main: Verdict, prompts: int, few: str) -> str:
    at = f"{main.at[0].upper()}{main.at[1:]} per prompt"
    many = f"{counted(prompts, 'prompt')} {'is' if prompts == 1 else 'are'} too few to tell"
    doubt = few or (f"only {main.only} have a score of every method, too few to tell" if main.only else many)
    if not main.lead:
        same = f"{'both' if main.methods == 2 else f'all {main.methods}'} methods score {main.score}"
        if main.sure == TOO_FEW:
            return f"Cannot tell: {main.at} per prompt {same}, and {doubt}."
        on = f"{main.at} per prompt {same} on {main.only or counted(prompts, 'prompt')}"
        return f"No difference seen: {on}, apart by {main.apart} at 95 %." if main.apart else f"No difference: {on}."
    best = listed(main.leaders)
    if main.sure == YES:
        return f"{at}, best is {best}: {main.score}, {main.lead}."
    verb = "score" if len(main.leaders) > 1 else "scores"
    if main.model and main.model_sure:
        highest = f"{main.many} at {main.score}" if main.many else f"highest is {best} ({main.score})"
        return f"{at}, {main.model} is ahead; its best search is not settled: {highest}."
    highest = f"{main.many} at {main.score}, {main.lead}" if main.many else f"{best} {verb} highest ({main.score}), {main.lead}"
    if main.sure == NOT_SEPARABLE:
        them = "" if main.methods == 2 else " from all the others"
        return f"No clear winner: {main.at} per prompt, {highest}, but {NOT_SEPARABLE}{them}."
    return f"Cannot tell: {main.at} per prompt, {highest}, but {doubt}."

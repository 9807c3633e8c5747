"""The first sentence of a report: what its own budgets say, and whether another count of compute says otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compute.amounts import counted
from reports.certainty import NOT_SEPARABLE, SEPARABLE, TOO_FEW, YES
from reports.verdict import Verdict, listed

NO_SCORES = "No two methods have scores for the same prompts at the same cost, so they cannot be compared."
_NAMED = 2
"""Methods that are named besides the best and the one it leads; of more their number is said."""
NOTHING_SHARED = "The methods share neither a budget nor an amount of compute, so they cannot be compared at equal cost."


def headline(main: Verdict, others: Sequence[Verdict], prompts: int, few: str) -> str:
    """One or two sentences.

    `main` is what the run asked for; `others` are smaller budgets and other units, which have a say only where their own
    difference is settled. `few` says why there are no intervals; empty where there are.
    """
    first = _first(main, prompts, few) + (f" With less compute {main.already}." if main.already else "")
    against = [other for other in others if other.sure == YES and other.leaders != main.leaders]
    if not against:
        return first
    says = listed([f"{listed(other.leaders)} {other.at}{f' ({other.already})' if other.already else ''}" for other in against])
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
        return f"No clear winner: {main.at} per prompt, {highest}, {_from_whom(main)}."
    return f"Cannot tell: {main.at} per prompt, {highest}, but {doubt}."


def _from_whom(main: Verdict) -> str:
    """Of how many others, and of which, the best can be told that cannot be told from all."""
    if not main.behind:
        return f"but {NOT_SEPARABLE}" + {1: ""}.get(main.others, f" from any of the other {main.others}")
    if len(main.behind) > _NAMED:
        return f"{SEPARABLE} from {len(main.behind)} of the other {main.others} only"
    rest = main.others - len(main.behind)
    return f"{SEPARABLE} from {listed(main.behind)} only, not from the other{f' {rest}' if rest > 1 else ''}"

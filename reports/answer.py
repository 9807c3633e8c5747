"""The answer: methods set against each other under the budgets that the run asked for, then at what they really spent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from harness.compute.amounts import counted
from reports import numbers
from reports.certainty import YES, has_intervals, intervals_sentence, more_prompts, too_few
from reports.equal_compute import Comparison, compare
from reports.headline import NO_SCORES, NOTHING_SHARED, headline
from reports.keys import POINT
from reports.left_out import Missing, alone_sentences, left_out_sentences, missing
from reports.overlap import TOO_NARROW, moves_budget
from reports.power import outlook
from reports.same_budget import Shared, all_at_same_budget, at_same_budget, of_one_budget, of_one_method, shared
from reports.statistics import OVERALL
from reports.summary import Method, Summary, is_single
from reports.verdict import MOST_NAMED, Verdict, listed, verdict, where, without_interval

HIGHEST = (
    "“Highest” is a score, no verdict: where it cannot be told from the others (“not separable”: the interval of its lead holds zero), "
    "chance may have put it first."
)
BRACKETS = "That of a score holds by itself, those of leads hold together for all methods of a row."


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first screen says."""

    headline: str
    sentences: tuple[str, ...]
    """What was measured on what, how sure it is, and what could not be compared."""
    verdicts: tuple[Verdict, ...]
    """Every shared budget, growing, then the largest amount of every other unit."""
    shared: tuple[Shared, ...]
    left_out: Missing = ()
    """Who is not in which comparison."""


def answer(summary: Summary) -> Answer:
    """Compare all methods under the first verifier, in every unit."""
    verifier = summary.runs.verifiers[0]
    if summary.truth is None:
        return Answer("No image could be scored, so there is nothing to compare.", (), (), ())
    if len(summary.methods) == 1:
        so_far = "can be shown so far" if summary.runs.unfinished else "was run"
        return Answer(f"Only {summary.label(summary.methods[0])} {so_far}: no comparison.", _opening(summary), (), ())
    found, given = shared(summary, verifier), all_at_same_budget(summary, verifier)
    if not found:
        lacking = missing((), given)
        sentences = (*_opening(summary), *left_out_sentences(summary, lacking), *_alone(summary, ()))
        return Answer(NO_SCORES if lacking else NOTHING_SHARED, sentences, (), (), lacking)
    main = found[0].judged
    told = [one for one in found[0].comparisons if one.same_budget or one is main] + [each.judged for each in found[1:]]
    verdicts = {id(one): verdict(summary, one) for one in told}
    others = [verdicts[id(one)] for one in told if one is not main]
    first = headline(verdicts[id(main)], others, len(summary.values), too_few(summary))
    judged = [each.judged for each in found]
    lacking = missing(judged, [one for one in given if not any(_alike(one, other) for other in judged)])
    ties = [one.tied for one in verdicts.values() if one.tied]
    lead = (*without_interval(summary, main), *outlook(summary, main))
    # Read by what was spent, every budget is on a curve.
    alone = _alone(summary, {one.method for one in main.left_out}) if main.same_budget else []
    also = (*_one_budget(summary, found), *_other_verifiers(summary, found), *left_out_sentences(summary, lacking), *alone)
    highest = [HIGHEST] if any(one.lead and one.sure != YES for one in verdicts.values()) else []
    sentences = (*highest, *_too_narrow(summary, told), *_looks(summary), *_opening(summary), *ties, *lead, *also)
    return Answer(first, sentences, tuple(verdicts.values()), found, lacking)


def _too_narrow(summary: Summary, told: Sequence[Comparison]) -> list[str]:
    """What to know of adaptive where the first lines have a number of it."""
    shown = [one for each in told for one in (*each.leaders, each.rival, *each.foreign[:1]) if one is not None]
    return [TOO_NARROW] if has_intervals(summary) and moves_budget(one.method.search for one in shown) else []


def _looks(summary: Summary) -> list[str]:
    """Why fewer images were spent than given, where previews were looked at under a budget in images."""
    table = summary.runs.selections
    looked = table[(table["budget_unit"] == "images") & (table["verifier_calls"] > table["images"])]
    return [] if looked.empty else ["A budget in images also counts looks at previews; images spent are finished ones."]


def _alone(summary: Summary, named: Collection[Method]) -> list[str]:
    """Who was alone under a budget, but for those who are already named with all of theirs."""
    found = of_one_method(summary, summary.runs.verifiers[0])
    return alone_sentences(summary, {method: budgets for method, budgets in found.items() if method not in named})


def _opening(summary: Summary) -> tuple[str, ...]:
    runs = summary.runs
    mean = "" if runs.over_prompts or len(summary.tasks) == 1 else f", mean of {len(summary.tasks)} tasks"
    prompts = len(summary.values)
    what = (
        f"{summary.metric_phrase(str(summary.truth)).capitalize()}{mean}, on {counted(prompts, 'prompt')} of {runs.suite} with "
        f"{_seeds(summary)}; searches guided by {runs.verifiers[0]}."
    )
    sure = f"{intervals_sentence(summary)} {BRACKETS if has_intervals(summary) else more_prompts(summary)}".strip()
    opening = (what, *_unlike_seeds(summary), sure)
    single = summary.points[is_single(summary.points) & (summary.points["task"] == OVERALL)]
    # One image is the same whatever verifier looks at it.
    single = single[(single["metric"] == summary.truth) & (single["verifier"] == runs.verifiers[0])].drop_duplicates("model")
    if single.empty:
        return opening
    scores = [
        f"{model} {numbers.score(mean, low, high)}"
        for model, mean, low, high in zip(single["model"], single["mean"], single["low"], single["high"], strict=True)
    ]
    return (*opening, f"One image without search: {listed(scores)}.")


def _one_budget(summary: Summary, found: tuple[Shared, ...]) -> list[str]:
    """Why no other unit is compared, where that is for want of budgets."""
    if not (found[0].judged.same_budget and of_one_budget(summary, summary.runs.verifiers[0])):
        return []
    others = listed([name for unit, name in summary.axes.items() if unit != found[0].judged.unit])
    return [f"At equal {others} nothing is compared: it takes two budgets or more, to read a method between them."]


def _unlike_seeds(summary: Summary) -> list[str]:
    """Which seeds each method has, where these differ: searches of one model have no first candidates in common then."""
    shown = summary.runs.selections[summary.runs.selections["verifier"] == summary.runs.verifiers[0]]
    by_seeds: dict[tuple[int, ...], list[Method]] = {}
    for method in summary.methods:
        mine = shown[np.logical_and.reduce([shown[name] == value for name, value in method._asdict().items()])]
        if len(mine):
            by_seeds.setdefault(tuple(sorted(mine["seed"].unique())), []).append(method)
    if len(by_seeds) < 2:
        return []
    each = "; ".join(f"{_of_seeds(seeds)} {listed([*map(summary.label, methods)])}" for seeds, methods in sorted(by_seeds.items()))
    models = [model for methods in by_seeds.values() for model in {method.model for method in methods}]
    apart = (
        ". Searches of one model begin with the same candidates under the same seed only: here chance parts them more than it need, "
        "and the same --seed for all would leave that out"
    ) if len(set(models)) < len(models) else ""  # fmt: skip
    return [f"Methods were run with different seeds ({each}){apart}."]


def _of_seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}:"


def _seeds(summary: Summary) -> str:
    """Seeds of a prompt, method and budget under the first verifier: "2 seeds", or "1 to 2 seeds" where runs are joined or unfinished."""
    shown = summary.runs.selections[summary.runs.selections["verifier"] == summary.runs.verifiers[0]]
    seeds = shown.groupby([*POINT, "prompt_id"])["seed"].nunique()
    least, most = int(seeds.min()), int(seeds.max())
    return counted(most, "seed") if least == most else f"{least} to {counted(most, 'seed')}"


def _other_verifiers(summary: Summary, found: tuple[Shared, ...]) -> list[str]:
    """Whether the leader stays the same when another verifier guides, where it guides all the methods compared."""
    pairs = [(verifier, each.judged, _again(summary, each.judged, verifier)) for verifier in summary.runs.verifiers[1:] for each in found]
    alike = [(verifier, judged, again) for verifier, judged, again in pairs if again and _compared(again) >= _compared(judged)]
    if not alike:
        return []
    others = listed(list(dict.fromkeys(verifier for verifier, _, _ in alike)))
    leads = [(_methods(judged), _methods(again)) for _, judged, again in alike]
    kept = sum(first == second for first, second in leads)
    one = all(len(first) == 1 for first, _ in leads)
    said = f"the same method{' scores' if one else 's score'} highest in {kept} of {len(alike)} comparisons"
    partly = [second for first, second in leads if first != second and first & second]
    if len(alike) == 1:
        judged = alike[0][1]
        same = "the same method scores" if one else "the same methods score"
        some = "the same method is one of several that score" if one else "only some of the same methods score"
        at = f"{'under a' if judged.same_budget else 'at'} {where(judged)}"
        said = f"{same if kept else some if partly else 'another method scores'} highest {at}{_named(summary, partly) if partly else ''}"
    elif partly:
        # To be among many that tie is no confirmation.
        said += f"; in {len(partly)} {'it is one of several that tie' if one else 'only some of those that tie are the same'}"
        said += _named(summary, partly)
    return [f"Guided by {others} instead, {said}."]


def _named(summary: Summary, leads: Sequence[set[Method]]) -> str:
    """ " (a and b)": who leads, where it is the same few everywhere; else empty."""
    if len(leads[0]) > MOST_NAMED or any(lead != leads[0] for lead in leads):
        return ""
    return f" ({listed([summary.label(method) for method in summary.methods if method in leads[0]])})"


def _compared(comparison: Comparison) -> set[Method]:
    return {standing.method for standing in comparison.standings}


def _alike(one: Comparison, other: Comparison) -> bool:
    return (one.unit, one.same_budget, one.amount) == (other.unit, other.same_budget, other.amount)


def _methods(comparison: Comparison) -> set[Method]:
    return {standing.method for standing in comparison.leaders}


def _again(summary: Summary, judged: Comparison, verifier: str) -> Comparison | None:
    """The same comparison under another verifier; None where it has no two methods to compare."""
    if judged.same_budget:
        return next((one for one in at_same_budget(summary, verifier) if _alike(one, judged)), None)
    found = compare(summary, judged.unit, judged.amount, verifier)
    return found if found.standings else None

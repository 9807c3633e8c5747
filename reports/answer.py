"""The answer in words: which method is best at the same compute, unit by unit, and whether the difference can be told from noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports import numbers
from reports.equal import Comparison, Standing, common_range, compare
from reports.points import AXES, Method, Summary, is_single, metric_phrase
from reports.statistics import OVERALL


@dataclass(frozen=True, slots=True)
class Verdict:
    """One unit's line of the answer, ready to print."""

    unit: str
    amount: str
    best: str
    model: str
    """Model of the best method."""
    score: str
    margin: str
    """Lead over the next method."""
    clear: bool
    """Whether the best is separable from every other method."""
    model_margin: str
    """Lead over the best method of another model; empty where there is none."""
    model_clear: bool
    """Whether the best is separable from every method of another model."""
    tied: bool
    """Whether all methods have the same score."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first screen says."""

    headline: str
    sentences: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    comparisons: tuple[Comparison, ...]
    """At the smallest, middle and largest common amount of every unit."""


def answer(summary: Summary) -> Answer:
    """Compare all methods under the first verifier, at the amounts they share, in every unit."""
    verifier = summary.runs.verifiers[0]
    if summary.truth is None:
        return Answer("No image could be scored, so there is nothing to compare.", (), (), ())
    if len(summary.methods) == 1:
        return Answer(f"Only {summary.label(summary.methods[0])} was run: no comparison.", _opening(summary), (), ())
    comparisons = {unit: _at_common_amounts(summary, unit, verifier) for unit in AXES}
    largest = {unit: found[-1] for unit, found in comparisons.items() if found}
    sentences = [*_opening(summary), *(_sentence(summary, comparisons[unit]) for unit in largest)]
    sentences += _other_verifiers(summary, largest)
    verdicts = tuple(_verdict(summary, comparison) for comparison in largest.values())
    return Answer(_headline(verdicts), tuple(sentences), verdicts, tuple(c for found in comparisons.values() for c in found))


def _at_common_amounts(summary: Summary, unit: str, verifier: str) -> tuple[Comparison, ...]:
    """Smallest, middle (geometric) and largest amount in common; fewer where they nearly coincide, none without rivals."""
    span = common_range(summary, unit, verifier)
    if span is None:
        return ()
    low, high = span
    amounts = [high] if high < 1.1 * low else [low, high] if high < 1.6 * low else [low, (low * high) ** 0.5, high]
    found = [compare(summary, unit, amount, verifier) for amount in amounts]
    return tuple(comparison for comparison in found if len(comparison.standings) > 1)


def _headline(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return "The methods share no amount of compute, so they cannot be compared at equal cost."
    units = _listed([verdict.unit for verdict in verdicts])
    if all(verdict.tied for verdict in verdicts):
        return f"No difference: at equal compute all methods score {verdicts[0].score}, by {units} alike."
    doubtful = [verdict.unit for verdict in verdicts if not verdict.clear]
    unclear = _listed(doubtful) if doubtful else ""
    leaders = {verdict.best for verdict in verdicts}
    if len(leaders) == 1 and not unclear:
        return f"{verdicts[0].best} is ahead at equal compute, by {units} alike."
    if len({verdict.model for verdict in verdicts}) == 1 and all(v.model_clear and v.model_margin for v in verdicts):
        each = f"highest is {verdicts[0].best}" if len(leaders) == 1 else _each(verdicts)
        return f"{verdicts[0].model} is ahead at equal compute, by {units} alike; its best search is not settled: {each}."
    if len(leaders) > 1:
        tail = f" (not separable from the next at 95 % by {unclear})" if unclear else ""
        return f"The answer depends on the unit: {_each(verdicts)}{tail}."
    if all(not verdict.clear for verdict in verdicts):
        return f"No clear winner: {verdicts[0].best} scores highest by {units}, but cannot be told from the next at 95 %."
    return f"{verdicts[0].best} scores highest by {units}; by {unclear} its lead cannot be told from noise at 95 %."


def _each(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(f"{verdict.best} by {verdict.unit}" for verdict in verdicts)


def _opening(summary: Summary) -> tuple[str, ...]:
    runs = summary.runs
    seeds = runs.selections["seed"].nunique()
    mean = "" if runs.over_prompts else f", mean of {len(summary.tasks)} tasks"
    what = (
        f"{metric_phrase(str(summary.truth)).capitalize()}{mean}, on {len(summary.values)} prompts of "
        f"{runs.suite} with {seeds} seed{'s' if seeds > 1 else ''}; searches guided by {runs.verifiers[0]}; brackets: 95 % intervals."
    )
    single = summary.points[is_single(summary.points) & (summary.points["task"] == OVERALL)]
    # One image is the same whatever verifier looks at it.
    single = single[(single["metric"] == summary.truth) & (single["verifier"] == runs.verifiers[0])].drop_duplicates("model")
    if single.empty:
        return (what,)
    scores = [
        f"{model} {numbers.score(mean, low, high)}"
        for model, mean, low, high in zip(single["model"], single["mean"], single["low"], single["high"], strict=True)
    ]
    return (what, f"One image without search: {_listed(scores)}.")


def _verdict(summary: Summary, comparison: Comparison) -> Verdict:
    best, second = comparison.best, comparison.standings[1]
    foreign = [standing for standing in comparison.standings if standing.method.model != best.method.model]
    return Verdict(
        unit=AXES[comparison.unit],
        amount=numbers.amount(comparison.amount, comparison.unit),
        best=summary.label(best.method),
        model=best.method.model,
        score=_score(best),
        margin=_margin(summary, second),
        clear=not comparison.rivals,
        model_margin=_margin(summary, foreign[0]) if foreign else "",
        model_clear=all(standing.separable for standing in foreign),
        tied=all(standing.mean == best.mean for standing in comparison.standings),
    )


def _margin(summary: Summary, standing: Standing) -> str:
    return f"{numbers.difference(*standing.behind)} over {summary.label(standing.method)}"


def _sentence(summary: Summary, comparisons: Sequence[Comparison]) -> str:
    largest = comparisons[-1]
    best, amount = largest.best, numbers.amount(largest.amount, largest.unit)
    text = f"By {AXES[largest.unit]} ({amount} per prompt): {summary.label(best.method)} {_score(best)}"
    if largest.rivals:
        rivals = [f"{summary.label(rival.method)} {rival.mean:.2f}" for rival in largest.rivals]
        text += f", not separable from {_listed(rivals)}"
    else:
        text += f", ahead by {_margin(summary, largest.standings[1])}"
    foreign = [standing for standing in largest.standings if standing.method.model != best.method.model]
    if foreign and foreign[0] is not largest.standings[1]:
        text += f"; across models {_margin(summary, foreign[0])}"
    others = [c for c in comparisons[:-1] if c.best.method != best.method]
    if others:
        at = [f"{summary.label(c.best.method)} at {numbers.amount(c.amount, c.unit)}" for c in others]
        text += f"; with less compute the highest is {_listed(at)}"
    if largest.left_out:
        text += f"; not comparable there: {_listed([_range(summary, *entry, largest.unit) for entry in largest.left_out])}"
    return text + "."


def _range(summary: Summary, method: Method, low: float, high: float, unit: str) -> str:
    first, last = numbers.amount(low, unit), numbers.amount(high, unit)
    return f"{summary.label(method)} (spent {first})" if first == last else f"{summary.label(method)} (spent {first} to {last})"


def _other_verifiers(summary: Summary, largest: dict[str, Comparison]) -> list[str]:
    """Whether the leader stays the same when another verifier guides."""
    others = summary.runs.verifiers[1:]
    found = [
        compare(summary, unit, comparison.amount, verifier).standings[:1]
        for verifier in others
        for unit, comparison in largest.items()
    ]
    kept = sum(
        bool(first) and first[0].method == comparison.best.method
        for first, comparison in zip(found, [c for _ in others for c in largest.values()], strict=True)
    )
    if not found:
        return []
    return [f"Guided by {_listed(list(others))} instead, the same method leads in {kept} of {len(found)} comparisons."]


def _score(standing: Standing) -> str:
    return numbers.score(standing.mean, standing.low, standing.high)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

"""One search of a plan in full: what is chosen, what a prompt does and costs, what it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_type_hints

from harness.compute.amounts import amount, between, counted
from harness.compute.amounts import budget as budgeted
from harness.compute.ledger import Unit
from harness.forecast.certainty import sure, sure_of_budget
from harness.forecast.forecast import Forecast
from harness.search.spec import parse_search

_SHOWN = ("nfe", "forwards", "flops", "images", "verifier_calls", "seconds", "verifier_seconds")
_NAMES = {
    "nfe": "NFE", "verifier_calls": "verifier calls", "flops": "", "seconds": "expected", "verifier_seconds": "in the verifier",
}  # fmt: skip
_ROWS = {"predict": "passes", "draw": "candidates", "preview": "previews", "decode": "images"}


def details(forecast: Forecast) -> Iterator[str]:
    """The lines, for people."""
    columns = [name for name in _SHOWN if forecast.timed or not name.endswith("seconds")]
    budget = budgeted(forecast.budget.amount, forecast.budget.unit.value)
    steps = len(forecast.rows["predict"]) - 1
    yield f"{forecast.model} with {forecast.search} by {forecast.verifier} at {budget} a prompt"
    for variant in forecast.variants if _differ(forecast) else forecast.variants[:1]:
        whose = f" ({counted(variant.prompts, 'prompt')})" if _differ(forecast) else ""
        yield f"  chosen      {_chosen(variant.plan.parameters, steps)}{whose}"
    yield from _presets(forecast.search)
    each = forecast.per_prompt()
    often = "on average " if forecast.shared else sure(forecast)
    yield f"  a prompt    {often}" + ", ".join(_range(each[name], name) for name in columns)
    for operation, counts in forecast.rows.items():
        second, _, name = operation.rpartition(" ")
        most = "such as " if forecast.example else "at most " if forecast.bound and operation == "predict" else ""
        yield f"  {_ROWS[name]:<11} {most}{_counted(name, counts)}" + (" of the second model" if second else "")
    if forecast.budget.unit is Unit.IMAGES and any(forecast.looks()):
        yield f"  counted     {often}{_range(forecast.looks(), 'looks')} at previews, each as an image of the budget"
    yield f"  unused      {_unused(forecast)}"
    total = forecast.total.as_columns()
    runs = counted(forecast.prompts, "prompt") + (f", {forecast.seeds} seeds" if forecast.seeds > 1 else "")
    yield f"  {runs}: {sure(forecast)}" + ", ".join(_range((total[name], total[name]), name) for name in columns)
    if forecast.shared:
        yield "  prompts share one total, and scores decide who gets more; rows are those of a prompt that has its part to itself"
    elif forecast.example:
        yield f"  scores decide {'how much of it' if forecast.bound else 'at which steps it'} is done; rows are those of made-up scores"
    elif forecast.bound:
        yield "  scores decide how many passes candidates share, and so how much less is done"


def _presets(text: str) -> Iterator[str]:
    """That a preset is the default and no model's own, and which others there are; nothing where one is named, or none is had."""
    search = parse_search(text)
    taken = "" if "preset=" in text else getattr(search, "preset", "")
    others = [name for name in get_args(get_type_hints(type(search)).get("preset")) if name != taken]
    if taken and others:
        yield f"  preset      {taken}, the default for every model; others: {', '.join(others)}, as in {search.name}:preset={others[0]}"


def _chosen(parameters: Mapping[str, Any], steps: int) -> str:
    """Parameters in a row; those of a search within another in brackets."""
    return ", ".join(_parameter(name, value, steps) for name, value in parameters.items())


def _parameter(name: str, value: Any, steps: int) -> str:
    if isinstance(value, Mapping):
        return f"{name} ({_chosen(value, steps)})"
    if name == "looks" and isinstance(value, str):  # which they are, not how many
        return f"looks at step{'s' * ('/' in value)} {value.replace('/', ', ')} of {steps}"
    return f"{name} {value}"


def _differ(forecast: Forecast) -> bool:
    return any(each.plan.parameters != forecast.variants[0].plan.parameters for each in forecast.variants)


def _range(ends: Sequence[float], column: str) -> str:
    least, most = (amount(end, column) for end in ends)
    name = _NAMES.get(column, column)
    if least == most == "1" and name.endswith("s"):
        name = name.removesuffix("s")
    return f"{least if least == most else f'{least} to {most}'} {name}".rstrip()


def _counted(operation: str, counts: Sequence[int]) -> str:
    if operation == "decode":
        return str(sum(counts))
    return f"{sum(counts)}: " + " ".join(map(str, counts[: len(counts) if counts[-1] else -1])) + " by step"


def _unused(forecast: Forecast) -> str:
    word = sure_of_budget(forecast)
    ends = [(max(0.0, left), left / forecast.budget.amount) for left in forecast.unused()]
    shares = [f"{max(0.0, share):.1%}" for _, share in ends]
    if set(shares) == {"0.0%"}:
        return "nothing" + (", or more where scores save passes" if word == "at most " else "")
    unit = forecast.budget.unit.value
    often = "at least " if word == "at most " else word
    return often + between(ends[0][0], ends[1][0], unit) + f" ({shares[0] if shares[0] == shares[1] else ' to '.join(shares)})"

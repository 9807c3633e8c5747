"""What a whole run computes and how long it takes, of the forecasts of its searches: a pool of images is made once for all who use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.compute.ledger import Budget
from harness.forecast.forecast import Forecast
from harness.run.units import WorkUnit


def planned_flops(units: Sequence[WorkUnit], every: Sequence[Forecast]) -> dict[str, float]:
    """FLOPs that these units are planned to take, by the names of the models that compute them."""
    found = _by_search(every)
    return _sums(_largest(unit, found)[0].divided(unit.planned_flops) for unit in units)


def computed_flops(units: Sequence[WorkUnit], every: Sequence[Forecast]) -> dict[str, float]:
    """FLOPs that the run of all these units really does, by model, with what is expected of prompts that share a total."""
    found = _by_search(every)
    alone = [unit for unit in units if not _largest(unit, found)[0].shared]
    return _sums([planned_flops(alone, every), *(one.divided(one.total.flops) for one in every if one.shared)])


def computed_seconds(units: Sequence[WorkUnit], every: Sequence[Forecast]) -> float:
    """Seconds that the searches of these units are expected to take in all; a pool is made once, and every verifier is given all of it."""
    found, seconds = _by_search(every), 0.0
    for unit in units:
        own = _largest(unit, found)
        part = len(unit.prompts) / (own[0].prompts * own[0].seeds)
        totals = [one.total for one in own]
        calls = max(total.verifier_calls for total in totals)  # the cheapest verifier's budget buys the most, which all are given
        judging = sum(total.verifier_seconds * calls / max(total.verifier_calls, 1) for total in totals)
        seconds += (max(total.seconds - total.verifier_seconds for total in totals) + judging) * part
    return seconds


_Found = Mapping[tuple[str, str, str, Budget], Forecast]


def _by_search(every: Sequence[Forecast]) -> _Found:
    return {(one.model, one.search, one.verifier, one.budget): one for one in every}


def _largest(unit: WorkUnit, found: _Found) -> list[Forecast]:
    """Of a unit's largest budget, under each of its verifiers."""
    return [found[unit.model, unit.search, name, given[-1]] for name, given in unit.budgets.items()]


def _sums(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    flops: dict[str, float] = {}
    for part in parts:
        for name, amount in part.items():
            flops[name] = flops.get(name, 0.0) + amount
    return flops

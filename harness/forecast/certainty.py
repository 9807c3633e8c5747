"""Words before amounts of a forecast that scores have a say in."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compute.ledger import Unit
from harness.forecast.forecast import Forecast


def sure(forecast: Forecast) -> str:
    """What stands before an amount that scores have a say in."""
    return "at most " if forecast.bound else "about " if forecast.shared else ""


def sure_of_time(forecast: Forecast) -> str:
    """The same before its time: scores decide which rows share a batch, and a rehearsal makes them up."""
    return "about " if forecast.lasting else sure(forecast)


def sure_of_budget(forecast: Forecast) -> str:
    """The same before what is used of the budget: shared passes save FLOPs and seconds, and neither NFE nor images."""
    return "" if forecast.bound and not forecast.example and forecast.budget.unit in (Unit.NFE, Unit.IMAGES) else sure(forecast)


def least_sure(every: Sequence[Forecast]) -> str:
    """What stands before a sum: one with an estimate in it is no bound."""
    return next((word for word in ("about ", "at most ") if word in map(sure, every)), "")

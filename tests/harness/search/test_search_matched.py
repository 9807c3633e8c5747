"""Matched compute over the whole registry: every search, unit and family spends what it is given and never more."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from harness.compute.ledger import Budget, BudgetTooSmall, Unit
from harness.compute.prices import Calibration, Prices, calibrate
from harness.registry import SEARCHES
from harness.search.adaptive import Adaptive
from harness.search.simulation import simulate
from harness.search.spec import parse_search
from models.base import ABILITIES
from suites.base import Prompt

FAMILIES = {"ar": "scales", "diffusion": "flow", "pair": "both"}
REGISTERED = [(name, family) for name in SEARCHES for family in parse_search(name).families]
"""Every registered search with its defaults on every family that it says it searches."""


@pytest.fixture(scope="module")
def measured() -> Calibration:
    names = ("encode", "predict", "draw", "preview", "decode", "embed", "score judge", "patches")
    return Calibration({(name, 0): 0.001 for name in (*names, *(f"refining {name}" for name in names))})


@pytest.fixture(scope="module")
def calibrated(scales, flow, both, make_judge) -> dict[str, Calibration]:
    """Of every family, by a clock of a millisecond a call."""
    ticks = count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.compute.clock.perf_counter", lambda: next(ticks) / 1000)
        models = {"ar": scales, "diffusion": flow, "pair": both}
        return {family: calibrate(model, [make_judge()], "red circle", 1) for family, model in models.items()}


def smallest(search: Any, prices: Prices, unit: Unit) -> float:
    with pytest.raises(BudgetTooSmall) as refused:
        search.plan(Budget(prices.image().amount(unit) * 0.1, unit), prices)
    return refused.value.smallest


def test_both_families_and_all_searches_are_there() -> None:
    assert {name for name, _ in REGISTERED} == set(SEARCHES)
    assert {family for _, family in REGISTERED} == set(FAMILIES)
    assert {name for name, family in REGISTERED if family == "ar"} & {name for name, family in REGISTERED if family == "diffusion"} == {
        "random", "halving", "beam", "smc", "adaptive",
    }  # fmt: skip


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize(("name", "family"), REGISTERED)
def test_a_large_budget_is_used_to_nine_tenths(name, family, unit, make_judge, measured, request) -> None:
    generator = request.getfixturevalue(FAMILIES[family])
    search, prices = parse_search(name), Prices(generator, make_judge(), 6, measured)
    least = smallest(search, prices, unit)
    for factor in (1.0, 2.5, 40.0, 163.7):
        budget = Budget(least * factor, unit)
        plan = search.plan(budget, prices)
        assert budget.affords(plan.cost)
        assert budget.affords(plan.limited)
        assert unit is Unit.IMAGES or plan.unused(budget) == budget.amount - plan.cost.amount(unit)
        if factor >= 40:
            assert 0 <= plan.unused(budget) <= 0.1 * budget.amount


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize(("name", "family"), REGISTERED)
def test_a_run_never_exceeds_its_budget(name, family, unit, make_judge, calibrated, ran, ticking, request) -> None:
    generator, judge = request.getfixturevalue(FAMILIES[family]), make_judge()
    makes = generator.refine if family == "pair" else generator
    assert all(isinstance(makes, need) for need in parse_search(name).needs if need in ABILITIES[family])
    rows = 1 if unit is Unit.SECONDS else 64  # one row a batch: time goes by rows, as plans have it
    search, calibration = parse_search(name), calibrated[family]
    prices = Prices(generator, judge, 7, calibration)
    budget = Budget(smallest(search, prices, unit) * 3, unit)
    task = ran(search, generator, budget, count=2, judges=[judge], max_rows=rows, calibration=calibration).task
    spent = [task.limited(prompt).amount(unit) for prompt in range(2)]
    total = isinstance(search, Adaptive)
    if unit is not Unit.SECONDS:  # a deadline is kept by what is returned, not by what is begun
        assert sum(spent) <= 2 * budget.amount if total else max(spent) <= budget.amount
    for entered in task.candidates["judge"]:
        chosen = [one for one in entered if one.kept and one.complete]
        assert chosen
        if not total:
            best = max((one for one in entered if one.complete and budget.affords(one.spent)), key=lambda one: one.values_M[0])
            assert best.kept


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize(("name", "family"), REGISTERED)
def test_a_simulation_spends_what_is_planned(name, family, unit, make_judge, measured, request) -> None:
    """Of time too, though its stand-ins take none."""
    generator, judge = request.getfixturevalue(FAMILIES[family]), make_judge()
    search, prompt = parse_search(name), Prompt("0", "red circle", "any")
    prices = Prices(generator, judge, generator.text_tokens([prompt.text])[0], measured)
    budget = Budget(smallest(search, prices, unit) * 3, unit)
    plan = search.plan(budget, prices)
    if plan.exact:  # nothing to spare, but for rounding
        budget = Budget(plan.limited.amount(unit) * (1 + 1e-9), unit)
        plan = search.plan(budget, prices)
    spent = simulate(search, generator, judge, [prompt], budget, measured).spent
    assert spent.amount(unit) <= budget.amount
    for column, value in plan.cost.as_columns().items():
        assert spent.as_columns()[column] == pytest.approx(value, rel=1e-9 if plan.exact else 0.5), column

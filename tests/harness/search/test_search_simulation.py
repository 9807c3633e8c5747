from dataclasses import replace

import pytest

from harness.compute.ledger import Budget, Unit
from harness.compute.prices import Prices
from harness.search.simulation import simulate
from harness.search.spec import parse_search


@pytest.mark.parametrize(
    ("text", "model", "amount"),
    [("random", "scales", 12), ("random", "flow", 12), ("greedy", "scales", 24), ("beam:width=3", "scales", 70),
     ("beam:score=preview", "scales", 44), ("zero-order:neighbours=3", "flow", 20)],
)  # fmt: skip
def test_a_simulation_counts_what_a_run_does(text, model, amount, make_judge, ran, request) -> None:
    search, generator = parse_search(text), request.getfixturevalue(model)
    budget = Budget(amount, Unit.NFE)
    task = ran(search, generator, budget, count=1).task
    simulated = simulate(search, generator, make_judge(), [task.prompts[0]], budget)
    for operation, counts in simulated.rows.items():
        really = {step: timing.rows for (name, step), timing in task.generator.clock.items() if name == operation}
        assert {step: count for step, count in enumerate(counts) if count} == really
    assert {"predict", "draw", "decode"} <= set(simulated.rows)
    spent = replace(task.spent(0, task.judges[0]), seconds=0.0, verifier_seconds=0.0)
    assert simulated.spent == spent
    plan = search.plan(budget, Prices(generator, make_judge(), generator.text_tokens([task.prompts[0].text])[0]))
    assert simulated.spent == plan.cost

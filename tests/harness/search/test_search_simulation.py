from dataclasses import replace

import pytest

from harness.compute.ledger import Budget, Ledger, Unit
from harness.compute.meter import MeteredGenerator
from harness.compute.prices import Prices
from harness.compute.speeds import Speeds
from harness.search.simulation import simulate
from harness.search.spec import parse_search
from harness.search.stand_ins import StandInGenerator
from models.base import Mixed, Row
from models.pair import Pair


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


@pytest.mark.parametrize(
    ("text", "model", "amount"),
    [("random", "scales", 24), ("greedy", "scales", 24), ("halving", "scales", 24), ("random", "flow", 24),
     ("zero-order:neighbours=3", "flow", 20), ("halving", "flow", 24), ("hybrid", "both", 24)],
)  # fmt: skip
def test_a_rehearsal_lasts_what_the_calls_of_a_run_do(text, model, amount, make_judge, ran, request) -> None:
    """Where every call takes a second, whatever its rows, seconds count the calls; where only rows count, the rows."""
    models = [request.getfixturevalue(name) for name in (("scales", "flow") if model == "both" else (model,))]
    search, generator, budget = parse_search(text), Pair("pair", *models) if models[1:] else models[0], Budget(amount, Unit.NFE)
    task = ran(search, generator, budget, count=3, max_rows=4).task
    clocks = [(task.generator.clock, ""), (task.judges[0].clock, "")]
    clocks += [(task.refiner.generator.clock, "refining ")] if task.refiner else []
    timed = ("encode", "predict", "draw", "preview", "decode", "embed", f"score {make_judge().card.name}")
    done = [(prefix + name, timing) for clock, prefix in clocks for (name, _), timing in clock.items() if name in timed]
    names = {name for name, _ in done}
    for speeds, expected in (
        (Speeds.of((name, 0, rows, 1.0) for name in names for rows in (1, 64)), sum(timing.calls for _, timing in done)),
        (Speeds.of((name, 0, 1, 1.0) for name in names), sum(timing.rows for _, timing in done)),
    ):
        simulated = simulate(search, generator, make_judge(), task.prompts, budget, None, speeds, 4)
        assert simulated.spent.seconds == pytest.approx(expected)
        assert names <= simulated.operations


def test_rows_of_several_steps_are_rehearsed_in_one_pass_where_the_model_does_so(flow, scales) -> None:
    taken: list[tuple[str, int, int]] = []
    metered = MeteredGenerator(StandInGenerator(flow, None, lambda *call: taken.append(call)), Ledger(1))
    early = metered.start(metered.encode(["a red circle"]), [Row(0, seed) for seed in range(3)])
    late = metered.draw(metered.predict(metered.select(early, [0, 1])), [0, 1])
    taken.clear()
    assert all(state.predicted for state in metered.predict_all([early, late]))
    assert taken == [("predict", 0, 5)]
    assert not isinstance(StandInGenerator(scales, None), Mixed), "another model predicts state by state"

"""A parent's finished rollout as one of its children: the same as drawing it again, for nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.compute.flops import count_flops
from harness.compute.ledger import Budget, Unit
from harness.compute.prices import Prices
from harness.errors import WrongInput
from harness.search.simulation import simulate
from harness.search.spec import parse_search, shortest
from models.base import Row

RUNS = [("greedy:reuse=True", "scales", 4), ("beam:reuse=True", "scales", 4), ("beam:reuse=True", "flow", 3),
        ("lookahead:scales=0/2,reuse=True", "scales", 2)]  # fmt: skip
"""A search, a model, and its branching points."""


def sized(text: str, children: int):
    return replace(parse_search(text), candidates=children)


@pytest.mark.parametrize(("text", "model", "points"), RUNS)
def test_it_costs_what_the_new_children_cost(text, model, points, make_judge, ran, request) -> None:
    generator, search, judge = request.getfixturevalue(model), sized(text, 3), make_judge()
    boxes = []
    counted = count_flops(lambda: boxes.append(ran(search, generator, count=2, max_rows=5, judges=[judge])))
    task = boxes[0].task
    assert sum(task.spent(prompt, task.judges[0]).flops for prompt in range(2)) == counted
    for prompt, plan in enumerate(task.plans):
        spent, planned = task.spent(prompt, task.judges[0]).as_columns(), plan.cost.as_columns()
        assert {name: value for name, value in spent.items() if not name.endswith("seconds")} == {
            name: value for name, value in planned.items() if not name.endswith("seconds")
        }  # fmt: skip
        width = plan.parameters["width"]
        assert len(boxes[0].of(prompt)) == spent["images"] == width * 3 + (points - 1) * width * 2
    simulated = simulate(search, generator, judge, [task.prompts[0]], task.budget)
    assert simulated.spent == replace(task.plans[0].cost, seconds=0.0, verifier_seconds=0.0)


@pytest.mark.parametrize(("text", "model", "points"), RUNS)
def test_the_same_budget_buys_more_children(text, model, points, make_judge, request) -> None:
    prices = Prices(request.getfixturevalue(model), make_judge(), 6)
    budget = Budget(sized(text, 3).plan(Budget(1e6, Unit.NFE), prices).cost.nfe, Unit.NFE)
    search = parse_search(text)
    more, fewer = (one.plan(budget, prices).parameters["candidates"] for one in (search, replace(search, reuse=False)))
    assert (more, fewer) == (3, 2)


@pytest.mark.parametrize(("text", "model", "points"), RUNS)
def test_survivors_are_the_best_of_old_and_new_and_go_on_as_they_were(text, model, points, ran, request) -> None:
    """By hand: of the rollouts carried on and the new children the best w, every child drawn anew from its path's seeds."""
    generator = request.getfixturevalue(model)
    done = ran(sized(text, 3), generator, count=1)
    task, entered = done.task, done.of()
    width, steps = task.plans[0].parameters["width"], generator.card.steps
    rounds = list(dict.fromkeys(one.step for one in entered))
    carried: list = []
    for index, step in enumerate(rounds):
        new = [one for one in entered if one.step == step]
        pool = [*carried, *new]
        if index:
            assert {one.parent for one in new} == {one.path for one in carried}
            assert all(sum(one.parent == parent.path for one in new) == 2 for parent in carried)
        carried = sorted(pool, key=lambda one: -one.values_M[0])[:width]
    # The last children by hand: each of its ancestors' draws, then its own.
    for one in [one for one in entered if one.step == rounds[-1]]:
        assert len({candidate.path for candidate in entered}) == len(entered)
        born = {candidate.path: candidate.step for candidate in entered}
        conditioning = generator.encode([task.prompts[0].text])
        state = generator.start(conditioning, [Row(0, task.seed(0, one.path[:1], -1))])
        for at in range(steps):
            path = max((one.path[: n + 1] for n in range(len(one.path)) if n == 0 or born[one.path[: n + 1]] <= at + 1), key=len)
            seeds = [task.seed(0, path, at)]
            noisy = generator.card.family == "diffusion" and born[path] == at + 1 and len(path) > 1
            state = generator.predict(state)
            state = generator.draw_stochastic(state, seeds, 1.0) if noisy else generator.draw(state, seeds)
        assert (generator.decode(state)[0].int() - one.image.int()).abs().max() <= 1


@pytest.mark.parametrize(("text", "model", "points"), RUNS)
def test_batches_and_company_change_nothing(text, model, points, ran, request) -> None:
    generator, search = request.getfixturevalue(model), sized(text, 3)
    together, alone = ran(search, generator, count=3), ran(search, generator, max_rows=2, asked=None, count=2)
    for prompt in range(2):
        assert [one.path for one in together.of(prompt)] == [one.path for one in alone.of(prompt)]
        images = [torch.stack([one.image for one in each.of(prompt)]).int() for each in (together, alone)]
        assert (images[0] - images[1]).abs().max() <= 1


def test_a_single_child_is_the_rollout_itself(scales, ran) -> None:
    done = ran(sized("beam:width=3,reuse=True", 1), scales, count=1)
    assert [one.path for one in done.of()] == [(0,), (1,), (2,)]
    assert done.task.spent(0, done.task.judges[0]).nfe == done.task.plans[0].cost.nfe == 3 * 4


def test_it_needs_rollouts_and_is_written_out() -> None:
    assert shortest(parse_search("beam:reuse=True")) == "beam:reuse=True"
    assert shortest(parse_search("beam:reuse=False")) == "beam"
    with pytest.raises(WrongInput, match="score=preview has none"):
        parse_search("beam:reuse=True,score=preview")
    with pytest.raises(WrongInput, match="reuse=yes is not true or false"):
        parse_search("beam:reuse=yes")

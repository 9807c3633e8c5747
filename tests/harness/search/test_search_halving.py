"""Successive halving: what it finishes are random search's own images, and those it drops are the worst previews."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import torch

from harness.compute.ledger import Budget, Unit
from harness.compute.prices import Calibration, Prices
from harness.errors import WrongInput
from harness.search.halving import Halving
from harness.search.spec import parse_search, shortest
from models.base import Row


@pytest.mark.parametrize("model", ["scales", "flow"])
def test_what_is_finished_is_what_random_search_makes(model: str, request, ran) -> None:
    generator = request.getfixturevalue(model)
    pool = ran(parse_search("random:candidates=6"), generator)
    halved = ran(parse_search("halving:candidates=6,at=0.5/0.75"), generator)
    for prompt in range(3):
        made = {one.path: one.image for one in pool.of(prompt)}
        finished = [one for one in halved.of(prompt) if one.complete]
        assert len(finished) == 2  # of 6 after two looks
        for one in finished:
            assert torch.equal(one.image, made[one.path])


@pytest.mark.parametrize("model", ["scales", "flow"])
def test_the_best_previews_go_on(model: str, request, ran, make_judge) -> None:
    """Against previews made and scored one candidate at a time."""
    generator, judge = request.getfixturevalue(model), make_judge()
    run = ran(parse_search("halving:candidates=5,at=0.5,keep=0.6"), generator, judges=[judge])
    task, steps = run.task, generator.card.steps
    for prompt, asked in enumerate(task.prompts):
        conditioning, scores = generator.encode([asked.text]), []
        for index in range(5):
            state = generator.start(conditioning, [Row(0, task.seed(prompt, (index,), -1))])
            for step in range(steps // 2):
                state = generator.draw(generator.predict(state), [task.seed(prompt, (index,), step)])
            if model == "flow":  # a preview is what its next prediction leads to
                state = generator.predict(state)
            scores.append(float(judge.score(generator.preview(state), [asked.text]).values_NM[0, 0]))
        best = {(int(index),) for index in np.argsort(scores)[::-1][:3]}
        assert {one.path for one in run.of(prompt) if one.complete} == best
        assert {one.path for one in run.of(prompt) if not one.complete and one.kept} == best


def test_a_dropped_candidate_costs_what_it_has_taken(flow, make_judge) -> None:
    """Eight of four steps, of which four end at the look: their third prediction is made for the preview, their fourth never."""
    plan = parse_search("halving:candidates=8").plan(Budget(1e9, Unit.NFE), Prices(flow, make_judge(), 6))
    assert plan.cost.nfe == 8 * 3 + 4
    assert (plan.cost.images, plan.cost.verifier_calls, plan.looks) == (4, 12, 8)


@pytest.mark.parametrize("slowing", [40, 50, 60])
def test_the_best_go_on_where_time_runs_out(slowing: int, flow, ran, make_judge, monkeypatch) -> None:
    """Calls take longer and longer, so that steps after the look drop more: of its survivors only the best are finished."""
    ticks = count()
    monkeypatch.setattr("harness.compute.clock.perf_counter", lambda: (tick := next(ticks)) / 1000 * (1 + tick / slowing))
    operations = ("encode", "predict", "draw", "preview", "decode", "score judge")
    planned = Calibration({(operation, 0): 0.001 for operation in operations})
    judge, search = make_judge(), parse_search("halving:candidates=12,at=0.25,keep=0.75")
    cost = search.plan(Budget(1e9, Unit.NFE), Prices(flow, judge, 6, planned)).cost
    budget = Budget(4 * cost.seconds, Unit.SECONDS)
    run = ran(search, flow, budget, count=1, max_rows=1, calibration=planned, judges=[judge])
    looked = sorted((one for one in run.of(0) if not one.complete), key=lambda one: -one.values_M[0])
    survivors, finished = [one.path for one in looked if one.kept], [one.path for one in run.of(0) if one.complete]
    assert 0 < len(finished) < len(survivors) <= 9
    assert set(finished) == {one.path for one in looked[: len(finished)]}


def test_looks_are_parts_of_any_schedule() -> None:
    search = parse_search("halving:at=0.4/0.7,keep=0.25")
    assert search == Halving(at=(0.4, 0.7), keep=0.25)
    assert shortest(search) == "halving:at=0.4/0.7,keep=0.25"
    assert search.sizes(16, 10) == {4: 4, 7: 1}
    assert search.sizes(16, 50) == {20: 4, 35: 1}
    assert Halving(at=(0.9, 0.95)).looks(4) == (3,)
    with pytest.raises(WrongInput, match="images of one step are never unfinished"):
        search.looks(1)


@pytest.mark.parametrize("text", ["at=0.7/0.4", "at=0", "at=1", "at=-1", "at=nan", "keep=1", "keep=0", "at=half"])
def test_wrong_parameters_are_refused(text: str) -> None:
    with pytest.raises(WrongInput, match=r"parts of the steps in order|drops none or all|numbers such as 0\.4/0\.7"):
        parse_search(f"halving:{text}")

"""Throughput against prompts in flight: the same work at every number, and a table of all that is measured."""

from __future__ import annotations

from typing import Any

import pytest

from harness.bench import searches as speed_searches
from harness.bench.searches import Throughput, lines, measure, throughput
from harness.compute.ledger import Budget, Unit
from harness.registry import SEARCHES
from harness.search.spec import parse_search
from suites.base import Prompt

PROMPTS = [Prompt(str(n), ("red circle", "two blue star")[n % 2], "") for n in range(4)]


@pytest.mark.parametrize(("text", "model", "nfe"), [("greedy", "scales", 30), ("beam", "flow", 36), ("rbf", "flow", 30)])
def test_the_same_evaluations_in_fewer_calls(text: str, model: str, nfe: int, make_judge, request, monkeypatch) -> None:
    """With a clock that goes on by one with every task, what is four tasks for one prompt at a time is one for four."""
    done: list[int] = []
    monkeypatch.setattr(speed_searches, "process_time", lambda: len(done))
    original = speed_searches.prepare

    def counting(*arguments: Any) -> Any:
        done.append(len(arguments[3]))
        return original(*arguments)

    monkeypatch.setattr(speed_searches, "prepare", counting)
    found = throughput(parse_search(text), request.getfixturevalue(model), make_judge(), PROMPTS, sizes=(1, 2, 4))
    assert done == [4, 1, 1, 1, 1, 2, 2, 4]
    assert found.ratios == {1: 1.0, 2: 2.0, 4: 4.0}
    assert found.budget == Budget(nfe, Unit.NFE)  # the least that beam needs on four steps is more than what others get


def test_every_search_is_measured_on_all_that_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(search: Any, generator: Any, verifier: Any, prompts: Any) -> Throughput:
        assert len(prompts) == max(speed_searches.IN_FLIGHT)
        return Throughput(generator.card.name, search.name, Budget(30, Unit.NFE), {1: 1.0, 8: 1.5 if search.name == "beam" else 2.0})

    monkeypatch.setattr(speed_searches, "throughput", named)
    found = list(measure())
    families = {"shapes-infinity": "ar", "shapes-flux": "diffusion", "shapes-infinity+shapes-flux": "pair"}
    expected = {(model, name) for model, family in families.items() for name in SEARCHES if family in parse_search(name).families}
    assert {(one.model, one.search) for one in found} == expected
    table = lines(found)
    assert table[0] == "| model | search | NFE a prompt | 1 in flight | 8 in flight |"
    assert table[2] == "| shapes-infinity | `beam` | 30 | 1.00 | 1.50 |"
    assert len(table) == 2 + len(expected)

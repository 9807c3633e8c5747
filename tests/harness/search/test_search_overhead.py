"""What the harness itself takes beside the models it drives: less than a tenth, for every search on the embedded pair."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from harness.compute.ledger import Budget, BudgetTooSmall, Unit
from harness.compute.prices import Prices
from harness.registry import SEARCHES, entry
from harness.search.prepare import prepare
from harness.search.rounds import Round
from harness.search.spec import fits, parse_search
from harness.seeds import Seeds
from models.pair import Pair
from suites.base import Prompt
from verifiers.base import Verifier
from verifiers.features import described, features_of

MODELS = ("shapes-infinity", "shapes-flux")
PAIR = "+".join(MODELS)
RUNS = [
    *((name, model) for model in MODELS for name in SEARCHES if fits(parse_search(name), entry("model", model), model) is None),
    *((name, PAIR) for name in SEARCHES if "pair" in parse_search(name).families),
    ("adaptive:search=greedy", MODELS[0]),
]
PROMPTS = [Prompt("0", "a photo of a red circle and a blue star", "")]
"""One, so that what is paid once for many is paid for it alone."""
ENOUGH = 30
"""Function evaluations a prompt, or as many as a search needs at least: longer runs only dilute what is paid once."""


@pytest.fixture(scope="module")
def embedded() -> dict[str, Any]:
    made: dict[str, Any] = {name: entry("model", name).resolve()() for name in MODELS}
    return made | {PAIR: Pair(PAIR, *made.values())}


@pytest.fixture(scope="module")
def judge() -> Verifier:
    return described([entry("verifier", "shapes-reward").resolve()()], features_of("shapes"))[0]


@pytest.fixture(autouse=True)
def _processor_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every clock counts this process's time on the processor, which other processes do not change; threads would be added up."""
    monkeypatch.setattr("harness.compute.clock.perf_counter", time.process_time)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def shares(name: str, generator: Any, judge: Verifier) -> Iterator[float]:
    """What planning, a search's own work, meters and records take of the whole; three runs, as the first one imports."""
    search = parse_search(name)
    amount = float(ENOUGH)
    try:
        search.plan(Budget(0.0, Unit.NFE), Prices(generator, judge, 16))
    except BudgetTooSmall as error:
        amount = max(amount, error.smallest)
    for _ in range(3):
        begin = time.process_time()
        task = prepare(search, generator, [judge], PROMPTS, Budget(amount, Unit.NFE), Seeds(0, "test"), max_rows=64)
        search.run(task)
        total = time.process_time() - begin
        metered = [task.generator, *task.judges, *([task.refiner.generator] if task.refiner else [])]
        models = sum(timing.seconds for one in metered for timing in one.clock.values())
        assert 0 < models < total
        yield 1 - models / total


@pytest.mark.parametrize(("name", "model"), RUNS)
def test_less_than_a_tenth_is_the_harness(name: str, model: str, embedded: dict[str, Any], judge: Verifier) -> None:
    assert any(share < 0.1 for share in shares(name, embedded[model], judge))


def test_a_slow_harness_is_seen(embedded: dict[str, Any], judge: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that take a tenth of a second are more than this search's share."""
    original = Round.close

    def slow(self: Round, *arguments: Any) -> None:
        busy = time.process_time() + 0.1
        while time.process_time() < busy:
            pass
        original(self, *arguments)

    monkeypatch.setattr(Round, "close", slow)
    assert all(share > 0.1 for share in shares("random", embedded["shapes-infinity"], judge))

"""Every strategy gives the same candidates whatever the batch, the order of prompts, and who else is in the batch."""

from __future__ import annotations

from typing import Any

import pytest

from harness.compute.ledger import Budget, BudgetTooSmall, Unit
from harness.compute.meter import MeteredGenerator
from harness.compute.prices import Prices
from harness.registry import SEARCHES
from harness.search.adaptive import Allocating
from harness.search.base import Candidate
from harness.search.evolution import Evolution
from harness.search.smc import PRESETS
from harness.search.spec import parse_search
from harness.search.tts_var import TTSVar, size_of
from models.pair import Pair

MODELS = {"ar": "scales", "diffusion": "flow", "pair": "both"}
RUNS = [
    *((name, MODELS[family]) for name in SEARCHES for family in parse_search(name).families),
    ("greedy:score=preview", "scales"), ("beam:score=preview", "scales"), ("beam:score=preview", "flow"),
    ("lookahead:scales=0/2", "scales"), ("lookahead:scales=0/2,reuse=True", "scales"), ("zero-order:neighbours=2", "flow"),
    *((f"smc:preset={preset}", model) for preset in PRESETS for model in ("scales", "flow")), ("evolution:preset=sd2.1", "flow"),
    ("adaptive:search=greedy", "scales"), ("adaptive:search=zero-order", "flow"), ("hybrid:search=greedy", "both"),
    ("halving:at=0.3/0.8", "flow"),
]  # fmt: skip
"""Every registered search on every family that it searches, and what their parameters make another search of."""
NETWORKS = [(name, "flux") for name in SEARCHES if "diffusion" in parse_search(name).families] + [("hybrid", "networks")]
"""Those that a transformer and a VAE are asked for too: autoregressive ones are in tests/models/test_autoregressive_searches.py."""


@pytest.fixture(scope="module")
def networks(infinity, flux) -> Pair:
    return Pair("tiny-infinity+tiny-flux", infinity, flux)


def check_kept(expected: dict[Any, Candidate], found: dict[Any, Candidate]) -> None:
    """The same candidates are kept, but for those that are closer to one another than a pixel's rounding has moved them."""
    swapped = [path for path in expected if expected[path].kept != found[path].kept]
    values = [expected[path].values_M[0] for path in swapped]
    moved = sum(abs(found[path].values_M[0] - value) for path, value in zip(swapped, values, strict=True))
    assert not swapped or max(values) - min(values) < moved


@pytest.mark.parametrize(("text", "model"), [*RUNS, *NETWORKS])
def test_batches_order_and_company_change_nothing(text: str, model: str, request, make_judge, ran) -> None:
    generator, search = request.getfixturevalue(model), parse_search(text)
    rounding = int((text, model) in NETWORKS)
    with pytest.raises(BudgetTooSmall) as refused:
        search.plan(Budget(1, Unit.NFE), Prices(generator, make_judge(), 6))
    budget = Budget(2 * refused.value.smallest, Unit.NFE)
    together = ran(search, generator, budget, count=2, max_rows=64)
    asked = list(together.task.prompts)
    reverse = ran(search, generator, budget, max_rows=3, asked=asked[::-1])
    others = [(0, reverse, 1), (1, reverse, 0)]
    if not isinstance(search, Allocating):  # whose prompts share one total: without the others each has another
        others.append((1, ran(search, generator, budget, max_rows=1, asked=asked[1:2]), 0))
    for prompt, other, place in others:
        expected = {one.path: one for one in together.of(prompt)}
        found = {one.path: one for one in other.of(place)}
        assert [one.path for one in other.of(place)] == [one.path for one in together.of(prompt)]
        for path, one in found.items():
            same = expected[path]
            assert (one.parent, one.step, one.complete) == (same.parent, same.step, same.complete)
            assert (one.image.int() - same.image.int()).abs().max() <= rounding
        check_kept(expected, found)
        last, other_last = together.of(prompt)[-1].spent, other.of(place)[-1].spent
        assert (last.nfe, last.flops, last.images) == (other_last.nfe, other_last.flops, other_last.images)


def test_the_published_schedule_of_tts_var() -> None:
    """Left after each scale of 13, as printed, and the batch that each scale is passed with, as the code has it."""
    events = TTSVar().events(13)
    assert {at - 1: (kind, size_of(8, left)) for at, (kind, left) in events.items()} == {
        2: ("cluster", 6), 5: ("cluster", 4), 6: ("resample", 2), 9: ("resample", 1)
    }  # fmt: skip
    assert [size_of(16, left) for _, left in events.values()] == [12, 8, 4, 2]


def test_tts_var_costs_what_its_schedule_costs(scales_13, ran) -> None:
    done = ran(TTSVar(particles=8), scales_13, count=1)
    cost = done.task.spent(0, done.task.judges[0])
    assert cost.nfe == 3 * 8 + 3 * 6 + 4 + 3 * 2 + 3 * 1 == 55
    assert (cost.images, cost.verifier_calls) == (1, 4 + 2 + 1)
    assert done.task.plans[0].cost.nfe == 55


@pytest.mark.parametrize(("preset", "population", "nfe"), [("flux", 14, 1465), ("sd2.1", 42, 5000)])
def test_evolution_costs_what_its_schedule_costs(preset, population: int, nfe: int) -> None:
    generations = Evolution(preset=preset).generations(population, 50)
    assert sum(images * (50 - step) for step, images, _ in generations) == nfe
    assert [best for _, _, best in generations[1:]] == [3 if preset == "flux" else 5] * 4


def test_a_generation_costs_its_steps(flow, ran) -> None:
    done = ran(Evolution(population=14), flow, count=1)
    expected = sum(images * (4 - step) for step, images, _ in Evolution().generations(14, 4))
    assert done.task.spent(0, done.task.judges[0]).nfe == expected


def test_pruned_looks_are_charged(flow, ran) -> None:
    """Five noises are looked at, one goes on: five predictions and the four others' of its way."""
    from harness.compute.ledger import Ledger
    from models.base import Row

    metered = MeteredGenerator(flow, Ledger(1))
    state, _ = metered.preview(metered.start(metered.encode(["red circle"]), [Row(0, seed) for seed in range(5)]))
    state = metered.select(state, [3])
    for _ in range(4):
        state = metered.draw(metered.predict(state), [0])
    assert metered.ledger.spent(0).nfe == 5 + 3


def test_a_tally_counts_as_the_meter_does(flow, scales, make_judge, ran) -> None:
    for text, generator in (("rbf", flow), ("beam:score=preview", flow), ("beam:score=preview", scales)):
        done = ran(parse_search(text), generator, Budget(30, Unit.NFE), count=1)
        assert done.task.plans[0].cost.nfe == done.task.spent(0, done.task.judges[0]).nfe

"""A cascade under every search: its budget kept, its stages charged for what they are given, and its extremes known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness.compute.flops import count_flops
from harness.compute.ledger import Budget, BudgetTooSmall, Cost, Ledger, Unit
from harness.compute.prices import Prices, calibrate
from harness.compute.verifier_meter import MeteredVerifier
from harness.search.allocation import Standing, most_telling
from harness.search.base import Candidate
from harness.search.simulation import simulate
from harness.search.spec import parse_search
from models.pair import Pair
from verifiers.base import UNASKED, Scores
from verifiers.cascade import Cascade
from verifiers.features import Described

RUNS = [
    ("random", "scales", 28), ("random", "flow", 28), ("greedy", "scales", 40), ("beam:width=2", "scales", 60),
    ("beam:width=2,score=preview", "scales", 44), ("beam:width=2,reuse=True", "scales", 80),
    ("lookahead:scales=0/2", "scales", 36), ("smc:preset=bfs", "scales", 24), ("tts-var", "scales", 24),
    ("beam:width=2", "flow", 60), ("beam:score=preview", "flow", 20), ("smc:preset=das", "flow", 24),
    ("zero-order:neighbours=3", "flow", 28), ("paths", "flow", 40), ("rbf", "flow", 16), ("evolution", "flow", 40),
    ("halving", "scales", 24), ("halving:at=0.3/0.8", "flow", 24), ("adaptive:rounds=2", "scales", 60), ("hybrid", "both", 60),
]  # fmt: skip


@pytest.fixture(scope="module")
def make(make_judge):
    """A cascade named as the judge of all tests, over two that disagree, the expensive one of three times the price."""

    def build(keep: int | None, parts: int = 1):
        cheap, expensive = make_judge("cheap"), make_judge("expensive", parts=parts, seed=2)
        return Described(Cascade(cheap, expensive, "judge", keep), Patches(cheap))

    return build


class Patches:
    """Features beside the cascade, for the search that needs them."""

    weights_sha256 = "0" * 64

    def __init__(self, judge) -> None:
        self.patches, self._price = judge.patches, judge.patches_price

    def flops(self) -> int:
        return self._price().verifier_flops


def generator_of(name: str, request):
    if name != "both":
        return request.getfixturevalue(name)
    return Pair("both", request.getfixturevalue("scales"), request.getfixturevalue("flow"))


def rounds(candidates) -> list[int]:
    """Candidates of each round: those that have been entered with one and the same cost."""
    costs = [one.spent for one in candidates]
    return [costs.count(cost) for cost in dict.fromkeys(costs)]


@pytest.mark.parametrize(("text", "model", "nfe"), RUNS)
def test_every_stage_is_charged_for_what_it_is_given(text: str, model: str, nfe: int, request, ran, make) -> None:
    search, generator, cascade, box = parse_search(text), generator_of(model, request), make(2, parts=3), []
    counted = count_flops(
        lambda: box.append(ran(search, generator, Budget(nfe, Unit.NFE), count=2, max_rows=5, judges=[cascade]))
    )
    task = box[0].task
    spent = [task.spent(prompt, task.judges[0]) for prompt in range(2)]
    assert sum(cost.flops for cost in spent) == counted
    for prompt, cost in enumerate(spent):
        sizes = rounds(box[0].of(prompt))
        text_of = task.prompts[prompt].text
        cheap, expensive = (sum(seen == text_of for seen, _ in stage.seen) for stage in cascade.stages)
        assert (cheap, expensive) == (sum(sizes), sum(min(2, size) for size in sizes))
        assert cost.verifier_calls == cheap + expensive
        first, second = (stage.price(1).verifier_flops for stage in cascade.stages)
        looks = cost.verifier_flops - cheap * first - expensive * second - cascade.price(0, 1).verifier_flops
        assert looks == (task.plans[prompt].parameters["particles"] * cascade.patches_price().flops if text == "tts-var" else 0)
        asked = [not np.isneginf(one.values_M[1]) for one in box[0].of(prompt)]
        assert sum(asked) == expensive


@pytest.mark.parametrize("unit", [Unit.FLOPS, Unit.IMAGES])
@pytest.mark.parametrize(("text", "model", "nfe"), RUNS)
def test_plans_price_what_a_run_is_charged(text: str, model: str, nfe: int, unit: Unit, request, ran, make) -> None:
    search, generator = parse_search(text), generator_of(model, request)
    with pytest.raises(BudgetTooSmall) as refused:
        search.plan(Budget(0.5, unit), Prices(generator, make(2, parts=3), 8))
    budget = Budget(2 * refused.value.smallest, unit)
    task = ran(search, generator, budget, count=1, judges=[make(2, parts=3)], max_rows=3).task
    cost, spent = task.plans[0].cost, task.spent(0, task.judges[0])
    assert budget.affords(spent)
    if task.plans[0].exact:
        assert replace(spent, seconds=0.0, verifier_seconds=0.0) == cost
    assert (spent.verifier_calls, spent.images) == (cost.verifier_calls, cost.images) or not task.plans[0].exact
    simulated = simulate(search, generator, make(2, parts=3), [task.prompts[0]], budget).spent
    assert simulated.verifier_calls == spent.verifier_calls


@pytest.mark.parametrize(("text", "model", "nfe"), RUNS)
def test_a_cascade_that_keeps_all_is_its_dear_verifier(text: str, model: str, nfe: int, request, ran, make) -> None:
    search, generator = parse_search(text), generator_of(model, request)
    cascade, budget = make(None), Budget(nfe, Unit.NFE)
    cheap, expensive = cascade.stages
    both = ran(search, generator, budget, count=2, judges=[cascade])
    alone = ran(search, generator, budget, count=2, judges=[Described(expensive, Patches(cheap))])
    for prompt in range(2):
        pairs = list(zip(both.of(prompt), alone.of(prompt, "expensive"), strict=True))
        for one, other in pairs:
            assert (one.path, one.parent, one.step, one.complete, one.kept) == (
                other.path, other.parent, other.step, other.complete, other.kept)  # fmt: skip
            assert torch.equal(one.image, other.image)
            assert one.values_M[1:] == other.values_M
        spent, less = both.task.spent(prompt, both.task.judges[0]), alone.task.spent(prompt, alone.task.judges[0])
        assert spent.verifier_calls == 2 * less.verifier_calls
        assert (spent.nfe, spent.model_flops, spent.decode_flops) == (less.nfe, less.model_flops, less.decode_flops)


@pytest.mark.parametrize(("text", "model", "nfe"), RUNS)
def test_keeping_one_asks_the_dear_verifier_once_a_round(text: str, model: str, nfe: int, request, ran, make) -> None:
    search, generator, cascade = parse_search(text), generator_of(model, request), make(1)
    done = ran(search, generator, Budget(nfe, Unit.NFE), count=2, judges=[cascade])
    calls = 0
    for prompt in range(2):
        entered, start = done.of(prompt), 0
        for size in rounds(entered):
            this = entered[start : start + size]
            best = max(this, key=lambda one: one.values_M[0])
            assert [one is best for one in this] == [not np.isneginf(one.values_M[1]) for one in this]
            start, calls = start + size, calls + 1
        final = [one for one in entered if one.complete and one.kept]
        assert any(not np.isneginf(one.values_M[1]) for one in final)
    assert len(cascade.stages[1].seen) == calls


@pytest.mark.parametrize(("text", "model", "nfe"), [run for run in RUNS if not run[0].startswith("adaptive")])
def test_batches_order_and_company_change_nothing(text: str, model: str, nfe: int, request, ran, make) -> None:
    search, generator, budget = parse_search(text), generator_of(model, request), Budget(nfe, Unit.NFE)
    together = ran(search, generator, budget, count=2, judges=[make(2)])
    asked = list(together.task.prompts)
    reverse = ran(search, generator, budget, max_rows=3, asked=asked[::-1], judges=[make(2)])
    alone = ran(search, generator, budget, max_rows=1, asked=asked[1:2], judges=[make(2)])
    for prompt, other, place in [(0, reverse, 1), (1, reverse, 0), (1, alone, 0)]:
        expected = {one.path: one for one in together.of(prompt)}
        found = {one.path: one for one in other.of(place)}
        assert found.keys() == expected.keys()
        for path, one in found.items():
            assert (one.kept, one.complete) == (expected[path].kept, expected[path].complete)
            assert one.values_M == pytest.approx(expected[path].values_M, abs=1e-4)
        last, other_last = together.of(prompt)[-1].spent, other.of(place)[-1].spent
        assert (last.nfe, last.flops, last.verifier_calls) == (other_last.nfe, other_last.flops, other_last.verifier_calls)


def test_the_order_of_a_cascade(make) -> None:
    values = np.array([[0.1, 5.0], [0.9, UNASKED], [0.3, UNASKED], [0.2, 3.0], [0.9, UNASKED], [np.nan, UNASKED],
                       [0.8, np.nan], [np.nan, 4.0]])  # fmt: skip
    combined = make(2).combine(values)
    assert combined == pytest.approx([5.0, 2.0, 1.0, 3.0, 2.0, np.nan, np.nan, 4.0], nan_ok=True)
    assert make(2).combine(values[1:3]) == pytest.approx([-1.0, -2.0])
    assert make(None).combine(values[[0, 3]]) == pytest.approx([5.0, 3.0])


def test_what_neither_stage_can_score_has_a_reason(scales, ran, make) -> None:
    cascade = make(2)
    for stage, blind, why in zip(cascade.stages, (0, -1), ("no face", "no hand"), strict=True):
        def scored(images, prompts, score=stage.score, blind=blind, why=why):
            scores, reasons = score(images, prompts), [""] * len(prompts)
            scores.values_NM[blind], reasons[blind] = np.nan, why
            return type(scores)(scores.values_NM, tuple(reasons))

        stage.score = scored
    entered = ran(parse_search("random:candidates=4"), scales, count=1, judges=[cascade]).of()
    assert [one.reason for one in entered].count("no hand") == 1
    assert entered[0].reason == "no face"
    assert [one.kept for one in entered].count(True) == 1
    for one in entered:
        assert bool(one.reason) == np.isnan(one.values_M).any()
        assert not (one.kept and np.isnan(one.values_M[-1]))


def test_the_reason_of_the_cheap_stage_outlives_the_dear_one(scales, ran, make) -> None:
    cascade = make(None)
    cheap = cascade.stages[0]
    score = cheap.score
    cheap.score = lambda images, prompts: Scores(np.full((len(prompts), 1), np.nan), ("no face",) * len(prompts))
    try:
        entered = ran(parse_search("random:candidates=3"), scales, count=1, judges=[cascade]).of()
    finally:
        cheap.score = score
    assert [one.reason for one in entered] == ["no face"] * 3
    assert all(np.isnan(one.values_M[0]) and np.isfinite(one.values_M[1]) for one in entered)


LOOKS = [*(f"smc:preset=bfs,potential={potential},particles=6" for potential in ("max", "difference", "sum", "return")),
         "tts-var:scale=0.01,particles=6"]  # fmt: skip


@pytest.mark.parametrize("text", LOOKS)
def test_whom_the_dear_stage_did_not_judge_has_no_weight(text: str, scales, ran, make) -> None:
    done = ran(parse_search(text), scales, count=3, judges=[make(2)])
    looked = [one for prompt in range(3) for one in done.of(prompt) if not one.complete]
    unasked = [one for one in looked if one.values_M[-1] == UNASKED]
    assert unasked
    assert any(one.kept for one in looked)
    assert not any(one.kept for one in unasked)


def test_scales_tell_by_what_the_dear_stage_judged(make) -> None:
    """Children of scale 0 differ under the expensive one; of those of scale 3 it judged one, and the others' places differ more."""
    def child(step: int, parent: int, place: int, cheap: float, expensive: float) -> Candidate:
        return Candidate(0, (parent, place), (parent,), step, True, 0, (cheap, expensive), "", Cost(), False, torch.zeros(1))

    task = SimpleNamespace(judges=(make(3),))
    first = [child(1, 0, place, 0.5, expensive) for place, expensive in enumerate((-0.6, 0.0, 0.6))]
    last = [child(4, 1, place, 0.5 + place / 1000, UNASKED if place else 0.0) for place in range(4)]
    task.candidates = {"judge": [[*first, *last]]}
    assert most_telling(task, 1) == (0,)
    assert most_telling(task, 2) == (0,)


def test_no_prompt_is_good_enough_by_a_made_up_place(make) -> None:
    """What the expensive stage could not judge leaves only places, which begin at -1."""
    place = Candidate(0, (0,), (), 0, True, 0, (0.5, UNASKED), "", Cost(), False, torch.zeros(1))
    blind = replace(place, path=(1,), order=1, values_M=(0.6, np.nan), reason="no hand")
    judge = MeteredVerifier(make(1), Ledger(1))
    task = SimpleNamespace(judges=(judge,), prompts=("a",), candidates={"judge": [[place, blind]]}, seed=lambda *_: 0)
    standing = Standing(task, 1.0, None, enough=-2.0)
    standing.note([0])
    assert standing.neediest() == [0]


def test_a_pool_is_not_shared_with_a_cascade(scales, ran, make, make_judge) -> None:
    with pytest.raises(ValueError, match="serves several verifiers from one pool, which a cascade is no part of"):
        ran(parse_search("random"), scales, judges=[make(1), make_judge("other")])


def test_time_for_the_dear_stage_is_kept(flow, ran, make, ticking) -> None:
    """Every call takes a millisecond and was planned to take half: fewer images are made, and these are examined in time."""
    honest = calibrate(flow, [make(None)], "red circle", 1)
    hasty = replace(honest, per_row={key: seconds / 2 for key, seconds in honest.per_row.items()})
    search = parse_search("random")
    seconds = search.plan(Budget(8, Unit.IMAGES), Prices(flow, make(8), 6, honest)).cost.seconds
    task = ran(search, flow, Budget(seconds, Unit.SECONDS), count=2, max_rows=1, judges=[make(8)], calibration=hasty).task
    for plan, entered in zip(task.plans, task.candidates["judge"], strict=True):
        assert 0 < len(entered) < plan.parameters["candidates"]
        assert all(task.budget.affords(one.spent) for one in entered)

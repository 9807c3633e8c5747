from dataclasses import replace
from math import ceil

import pytest

from harness.compute.flops import count_flops
from harness.compute.ledger import Budget, BudgetTooSmall, Unit
from harness.compute.prices import Calibration, Prices, calibrate
from harness.config import RunConfig
from harness.errors import WrongInput
from harness.model_spec import parse_model
from harness.run.pairing import pair_up
from harness.search.simulation import simulate
from harness.search.spec import parse_search
from models.base import Row, first_step
from models.pair import Pair


def test_drafts_are_the_searchs_own_and_refinements_come_from_the_best(both, scales, flow, ran) -> None:
    found = ran(parse_search("hybrid:strength=0.5,share=0.4"), both, Budget(40, Unit.NFE), count=2)
    alone = ran(parse_search("random"), scales, Budget(16, Unit.NFE), count=2)
    for prompt in range(2):
        entered, drafts = found.of(prompt), alone.of(prompt)
        assert len(drafts) == 4
        assert len(entered) == 4 + (40 - 16) // ceil(0.5 * 4)
        for one, draft in zip(entered, drafts, strict=False):
            assert one.path == draft.path
            assert (one.image.int() - draft.image.int()).abs().max() <= 1
        best = max(entered[:4], key=lambda one: one.values_M[0])
        assert {one.parent for one in entered[4:]} == {best.path}
        assert len({one.path for one in entered}) == len(entered)
        assert entered[-1].spent.nfe == 40
        assert max(entered, key=lambda one: one.values_M[0]).kept
        # the reference: the same draft through the second model by hand
        task, last = found.task, entered[-1]
        conditioning = flow.encode([prompt.text for prompt in task.prompts])
        seeds = [task.seed(prompt, last.path, step) for step in (-1, 2, 3)]
        state = flow.start_image(conditioning, [Row(prompt, seeds[0])], best.image[None], 0.5)
        assert state.step == 2
        for seed in seeds[1:]:
            state = flow.draw(flow.predict(state), [seed])
        assert (flow.decode(state)[0].int() - last.image.int()).abs().max() <= 1


def test_the_steps_left_are_the_strengths_part_of_all_and_at_least_one() -> None:
    for steps in (1, 4, 10, 28, 50, 100):
        for percent in range(1, 101):
            assert first_step(percent / 100, steps) == steps + -percent * steps // 100, (percent, steps)
    assert first_step(1e-9, 20) == 19
    with pytest.raises(ValueError, match=r"strength 0 is outside \(0, 1\]"):
        first_step(0, 20)


def test_a_tiny_strength_is_planned_and_charged_the_step_that_it_takes(both, make_judge, ran) -> None:
    search, budget = parse_search("hybrid:strength=0.00000001,refinements=3"), Budget(40, Unit.NFE)
    task = ran(search, both, budget, count=1).task
    (plan,), spent = task.plans, task.spent(0, task.judges[0])
    assert spent.flops == plan.cost.flops
    assert spent.nfe == plan.cost.nfe == 20 + 3
    assert simulate(search, both, make_judge(), [task.prompts[0]], budget).spent.flops == spent.flops


@pytest.mark.parametrize("unit", list(Unit))
def test_the_plan_uses_the_budget_and_never_exceeds_it(both, unit: Unit, make_judge) -> None:
    operations = ("encode", "predict", "draw", "preview", "decode", "embed", "score judge")
    measured = Calibration({(name, 0): 0.001 for name in (*operations, *(f"refining {name}" for name in operations))})
    search, prices = parse_search("hybrid:share=0.3,search=greedy"), Prices(both, make_judge(), 6, measured)
    with pytest.raises(BudgetTooSmall) as refused:
        search.plan(Budget(prices.image().amount(unit) * 0.1, unit), prices)
    for factor in (1.0, 1.7, 6.0):
        budget = Budget(refused.value.smallest * factor, unit)
        plan = search.plan(budget, prices)
        assert budget.affords(plan.cost)
        more = plan.cost + search._refinement(prices.refining)
        assert not budget.affords(more)


@pytest.mark.parametrize("text", ["hybrid:share=0.9", "hybrid:share=1", "hybrid", "hybrid:share=0.1", "hybrid:refinements=3"])
def test_every_budget_from_the_advised_one_on_is_enough(text: str, both, make_judge) -> None:
    """The first refused budget says the least; drafts make room for the refinements that there have to be."""
    search, prices = parse_search(text), Prices(both, make_judge(), 6)
    with pytest.raises(BudgetTooSmall) as refused:
        search.plan(Budget(1, Unit.NFE), prices)
    least = ceil(refused.value.smallest)
    for amount in (1, least - 1):
        with pytest.raises(BudgetTooSmall) as refused:
            search.plan(Budget(amount, Unit.NFE), prices)
        assert ceil(refused.value.smallest) == least
    sizes = []
    for amount in range(least, least + 40):
        plan = search.plan(Budget(amount, Unit.NFE), prices)
        assert plan.cost.nfe <= amount
        assert plan.parameters["refinements"] >= (search.refinements or 1)
        sizes.append(plan.cost.nfe)
    assert sizes == sorted(sizes)


def test_drafts_that_make_room_are_run_as_planned(both, ran) -> None:
    found = ran(parse_search("hybrid:share=1"), both, Budget(23, Unit.NFE), count=2)
    for prompt in range(2):
        entered = found.of(prompt)
        assert [bool(one.parent) for one in entered] == [False] * 5 + [True]
        assert entered[-1].spent.nfe == found.task.plans[prompt].cost.nfe <= 23


def test_both_models_are_charged_to_the_last_flop(both, make_judge, ran) -> None:
    search, box = parse_search("hybrid:drafts=2,refinements=3"), []
    budget = Budget(2 * search.plan(Budget(100, Unit.NFE), Prices(both, make_judge(), 6)).cost.flops, Unit.FLOPS)
    counted = count_flops(lambda: box.append(ran(search, both, budget, count=2, max_rows=5)))
    task = box[0].task
    spent = [task.spent(prompt, task.judges[0]) for prompt in range(2)]
    assert sum(cost.flops for cost in spent) == counted
    for prompt, (cost, plan) in enumerate(zip(spent, task.plans, strict=True)):
        assert cost.flops == plan.cost.flops <= budget.amount
        assert (cost.nfe, cost.images) == (plan.cost.nfe, plan.cost.images)
        parents = [one.parent for one in box[0].of(prompt) if one.parent]
        assert len(set(parents)) == 2
    simulated = simulate(search, both, make_judge(), [task.prompts[0]], budget)
    assert simulated.spent.flops == spent[0].flops
    assert sum(simulated.rows["refining decode"]) == 3


def test_the_batch_changes_nothing(both, ran) -> None:
    budget = Budget(48, Unit.NFE)
    names = [
        [[(one.path, one.parent, one.kept, one.spent.nfe) for one in entered] for entered in task.candidates["judge"]]
        for task in (ran(parse_search("hybrid"), both, budget, max_rows=rows).task for rows in (64, 3))
    ]
    assert names[0] == names[1]


def test_a_deadline_stops_the_refinements(both, make_judge, ran, ticking) -> None:
    honest = calibrate(both, [make_judge()], "red circle", 4)
    hasty = Calibration({key: seconds / 3 for key, seconds in honest.per_row.items()})
    budget = Budget(60 * Prices(both, make_judge(), 6, honest).image().seconds, Unit.SECONDS)
    task = ran(parse_search("hybrid:share=0.2"), both, budget, count=2, max_rows=8, calibration=hasty).task
    for plan, entered in zip(task.plans, task.candidates["judge"], strict=True):
        assert len(entered) < plan.cost.images


def test_pairs_are_named_by_their_models() -> None:
    spec = parse_model("shapes-infinity:temperature_factor=2+shapes-flux")
    assert spec.text == "shapes-infinity:temperature_factor=2.0+shapes-flux"
    assert [member.name for member in spec.members] == ["shapes-infinity", "shapes-flux"]
    for text, message in (
        ("shapes-flux+shapes-infinity", r"joins diffusion and ar models: write DRAFT.*; did you mean shapes-infinity\+shapes-flux\?$"),
        ("shapes-infinity+flux-dev", "joins a shapes and a photo model: pair one domain"),
    ):
        with pytest.raises(WrongInput, match=message):
            parse_model(text)


def test_pairs_of_two_sizes_are_refused(scales, flow) -> None:
    class Larger:
        card = replace(flow.card, image_size=(32, 32))

    with pytest.raises(WrongInput, match="images of 16x16 and 32x32 pixels; a draft is refined at its own size"):
        Pair("pair", scales, Larger())


def test_a_refiner_whose_texts_differ_in_length_is_refused(scales, flow) -> None:
    class Uneven:
        card = flow.card

        def text_tokens(self, prompts):
            return tuple(len(prompt.split()) for prompt in prompts)

    with pytest.raises(WrongInput, match="the text length of one-matrix-flow differs between prompts, and a pair is priced by the draft's"):
        Pair("pair", scales, Uneven())


def test_only_hybrid_runs_on_a_pair() -> None:
    names = {"models": ("shapes-infinity+shapes-flux", "shapes-flux"), "metrics": ()}
    pairing = pair_up(RunConfig(searches=("random", "hybrid:search=beam"), **names))
    assert pairing.pairs == (("shapes-infinity+shapes-flux", "hybrid:search=beam"), ("shapes-flux", "random"))
    with pytest.raises(WrongInput, match="zero-order searches diffusion models and the draft of shapes-infinity"):
        pair_up(RunConfig(searches=("hybrid:search=zero-order",), **names))

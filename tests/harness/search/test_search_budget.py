from dataclasses import replace

import pytest

from harness.compute.flops import count_flops
from harness.compute.ledger import Budget, BudgetTooSmall, Cost, Unit
from harness.compute.prices import Calibration, Prices, calibrate
from harness.errors import WrongInput
from harness.search.base import Unfit
from harness.search.sizing import largest_size
from harness.search.spec import parse_search

PAIRS = [
    ("random", "scales"), ("random", "flow"), ("greedy", "scales"), ("beam", "scales"),
    ("beam:score=preview", "scales"), ("greedy:score=preview", "scales"), ("zero-order:neighbours=3", "flow"),
    ("smc", "scales"), ("smc:preset=das", "scales"), ("smc:preset=bfs", "flow"), ("beam", "flow"),
    ("beam:score=preview", "flow"), ("lookahead:scales=0/2", "scales"),
    ("tts-var", "scales"), ("paths", "flow"), ("rbf", "flow"), ("evolution", "flow"), ("halving", "scales"),
    ("halving:at=0.25/0.6,keep=0.4", "flow"),
]  # fmt: skip
BUDGETS = {
    "random": Budget(3, Unit.IMAGES), "greedy": Budget(24, Unit.NFE), "beam": Budget(44, Unit.NFE),
    "zero-order": Budget(6, Unit.IMAGES), "smc": Budget(24, Unit.NFE), "lookahead": Budget(24, Unit.NFE),
    "tts-var": Budget(24, Unit.NFE), "paths": Budget(36, Unit.NFE), "rbf": Budget(20, Unit.NFE), "evolution": Budget(30, Unit.NFE),
    "halving": Budget(24, Unit.NFE),
}  # fmt: skip


@pytest.fixture(params=PAIRS, ids=lambda pair: "-".join(pair))
def pair(request: pytest.FixtureRequest):
    text, model = request.param
    return parse_search(text), request.getfixturevalue(model)


@pytest.fixture(scope="module")
def measured():
    """A calibration without noise: every operation takes a millisecond a row."""
    operations = ("encode", "predict", "draw", "preview", "decode", "score judge", "patches")
    return Calibration({(operation, 0): 0.001 for operation in operations})


@pytest.mark.parametrize("unit", list(Unit))
def test_plans_use_a_budget_and_never_exceed_it(pair, unit: Unit, make_judge, measured) -> None:
    search, generator = pair
    prices = Prices(generator, make_judge(), 5, measured)
    with pytest.raises(BudgetTooSmall) as refused:
        search.plan(Budget(prices.image().amount(unit) * 0.99, unit), prices)
    smallest = refused.value.smallest
    assert smallest >= prices.image().amount(unit)
    sizes = []
    for factor in (1.0, 1.3, 2.0, 3.7, 11.0):
        budget = Budget(smallest * factor, unit)
        plan = search.plan(budget, prices)
        assert budget.affords(plan.cost)
        size = plan.parameters[search.size]
        with pytest.raises(BudgetTooSmall):
            replace(search, **{search.size: size + 1}).plan(budget, prices)
        sizes.append(size)
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]


def test_a_run_spends_its_plan_to_the_last_flop(pair, make_judge, ran) -> None:
    search, generator = pair
    judge = make_judge()
    cost = search.plan(BUDGETS[search.name], Prices(generator, judge, 6)).cost
    budget, box = Budget(cost.flops, Unit.FLOPS), []
    counted = count_flops(lambda: box.append(ran(search, generator, budget, count=2, max_rows=5, judges=[judge])))
    task = box[0].task
    for prompt, plan in enumerate(task.plans):
        spent = task.spent(prompt, task.judges[0])
        assert budget.affords(spent)
        for column, value in plan.cost.as_columns().items():
            found = spent.as_columns()[column]
            if not plan.exact and column in ("forwards", "model_flops", "flops"):
                assert 0.5 * value < found <= value, column
            else:
                assert column.endswith("seconds") or found == value, column
        last = box[0].of(prompt)[-1].spent
        assert last.seconds == pytest.approx(spent.seconds, rel=1e-12)  # a sum of floats in another order
        assert replace(last, seconds=spent.seconds, verifier_seconds=spent.verifier_seconds) == spent
    assert sum(task.spent(prompt, task.judges[0]).flops for prompt in range(2)) == counted


def test_a_deadline_stops_a_search_that_is_slower_than_planned(pair, make_judge, ran, ticking) -> None:
    if pair[0].size in ("particles", "looks") or getattr(pair[0], "score", "") == "preview" or pair[0].name == "halving":
        pytest.skip("nothing is finished before all is: see the next tests")
    search, generator = pair
    honest = calibrate(generator, [make_judge()], "red circle", 4)
    hasty = Calibration({key: seconds / 4 for key, seconds in honest.per_row.items()})
    cost = search.plan(BUDGETS[search.name], Prices(generator, make_judge(), 6, honest)).cost
    budget = Budget(cost.seconds, Unit.SECONDS)
    task = ran(search, generator, budget, count=2, max_rows=4, calibration=hasty).task
    for plan, entered in zip(task.plans, task.candidates["judge"], strict=True):
        assert plan.cost.verifier_calls >= 2 * cost.verifier_calls
        assert len(entered) < plan.cost.verifier_calls
        first = last_round(search.name, entered)
        assert all(budget.affords(one.spent) for one in entered[:first])


@pytest.mark.parametrize(("images", "begun"), [(0, 4), (1, 3), (2, 2)])
@pytest.mark.parametrize("model", ["scales", "flow"])
def test_a_cold_text_encoder_costs_the_images_it_takes_the_time_of(
    model, images, begun, request, make_judge, ran, monkeypatch, ticking
) -> None:
    """Time for four images in one batch and for most of what comes before them: that is to be paid once."""
    generator, judge, search = request.getfixturevalue(model), make_judge(), parse_search("random")
    honest = calibrate(generator, [judge], "red circle", 1)
    first, each = parse_search("random:candidates=2").plan(Budget(1e18, Unit.NFE), Prices(generator, judge, 6, honest)).rounds
    encode = generator.encode

    def cold(texts):
        for _ in range(round(images * each.seconds * 1000)):
            next(ticking)
        return encode(texts)

    monkeypatch.setattr(generator, "encode", cold)
    budget = Budget(first.seconds + 3 * each.seconds + 0.75 * (first - each).seconds, Unit.SECONDS)
    task = ran(search, generator, budget, count=1, judges=[judge], calibration=honest).task
    assert task.plans[0].parameters["candidates"] == 4
    assert len(task.candidates["judge"][0]) == begun


@pytest.mark.parametrize("text", ["smc", "smc:preset=bfs", "halving:keep=0.7"])
def test_particles_are_fewer_where_time_runs_out(text, scales_13, make_judge, ran, ticking) -> None:
    judge = make_judge()
    honest = calibrate(scales_13, [judge], "red circle", 1)
    hasty = Calibration({key: seconds / 2 for key, seconds in honest.per_row.items()})
    search = parse_search(text)
    planned = search.plan(Budget(8 * 13, Unit.NFE), Prices(scales_13, judge, 6, honest)).cost
    budget = Budget(planned.seconds, Unit.SECONDS)
    task = ran(search, scales_13, budget, count=2, max_rows=1, calibration=hasty).task
    for plan, entered in zip(task.plans, task.candidates["judge"], strict=True):
        finished = [one for one in entered if one.complete]
        assert 0 < len(finished) < plan.cost.images
        assert any(budget.affords(one.spent) for one in finished)


@pytest.mark.parametrize("slower", [1, 2, 4, 8])
@pytest.mark.parametrize(
    ("text", "model"), [("beam:score=preview", "scales"), ("greedy:score=preview", "scales"), ("beam:score=preview", "flow")]
)
def test_survivors_of_previews_are_finished_however_slow(text, model, slower, request, make_judge, ran, ticking) -> None:
    """Their images are made in the last round: one that is left out would leave none."""
    judge, generator, search = make_judge(), request.getfixturevalue(model), parse_search(text)
    honest = calibrate(generator, [judge], "red circle", 1)
    hasty = Calibration({key: seconds / slower for key, seconds in honest.per_row.items()})
    planned = search.plan(Budget(30, Unit.NFE), Prices(generator, judge, 6, honest)).cost
    budget = Budget(planned.seconds, Unit.SECONDS)
    task = ran(search, generator, budget, count=2, max_rows=1, calibration=hasty).task
    for plan, entered in zip(task.plans, task.candidates["judge"], strict=True):
        finished = [one for one in entered if one.complete]
        assert finished
        if slower <= 2:
            assert any(budget.affords(one.spent) for one in finished)
        if slower > 1:
            assert len(entered) < plan.cost.verifier_calls


def test_looks_are_fewer_where_time_runs_out(flow, make_judge, ran, ticking) -> None:
    judge = make_judge()
    honest = calibrate(flow, [judge], "red circle", 1)
    hasty = Calibration({key: seconds / 4 for key, seconds in honest.per_row.items()})
    search = parse_search("rbf")
    planned = search.plan(Budget(20 * flow.card.steps, Unit.NFE), Prices(flow, judge, 6, honest)).cost
    budget = Budget(planned.seconds, Unit.SECONDS)
    task = ran(search, flow, budget, count=2, max_rows=1, calibration=hasty).task
    for plan, entered in zip(task.plans, task.candidates["judge"], strict=True):
        assert sum(not one.complete for one in entered) < plan.parameters["looks"]
        assert [one.complete for one in entered].count(True) == 1
        assert budget.affords(entered[-1].spent)


def last_round(search: str, entered) -> int:
    """Where the last round begins: a random batch of at most 4, the last neighbours, or the last scale."""
    if search == "random":
        return len(entered) - 4
    last = entered[-1]
    return next(one.order for one in entered if (one.step or one.parent) == (last.step or last.parent))


def test_seconds_without_a_calibration_are_refused(flow, make_judge) -> None:
    with pytest.raises(ValueError, match=r"budget 3 s cannot be planned without measured speeds: calibrate\(\)"):
        parse_search("random").plan(Budget(3, Unit.SECONDS), Prices(flow, make_judge(), 6))


def test_what_is_asked_for_is_checked(scales, make_judge) -> None:
    prices = Prices(scales, make_judge(), 5)
    with pytest.raises(BudgetTooSmall, match=r"budget 100 NFE cannot buy width 3 with 5 children a prefix: .* is 150 NFE"):
        parse_search("beam:width=3,candidates=5").plan(Budget(100, Unit.NFE), prices)
    with pytest.raises(BudgetTooSmall, match=r"budget 100 NFE cannot buy 26 images: .* is 104 NFE; give --budget 104"):
        parse_search("random:candidates=26").plan(Budget(100, Unit.NFE), prices)
    with pytest.raises(BudgetTooSmall, match=r"budget 3 NFE cannot buy one image: the smallest that can is 4 NFE"):
        parse_search("random").plan(Budget(3, Unit.NFE), prices)


def test_what_leaves_nothing_to_look_at_is_refused(flow, scales, make_judge) -> None:
    prices = Prices(flow, make_judge(), 5)
    with pytest.raises(WrongInput, match="looks=4 are fewer than the least for 4 steps: give looks=5 or more"):
        parse_search("rbf:looks=4").plan(Budget(100, Unit.NFE), prices)
    assert parse_search("rbf:looks=5").plan(Budget(100, Unit.NFE), prices).parameters["looks"] == 5
    with pytest.raises(WrongInput, match="first=0,last=0 leave no look within 4 steps"):
        parse_search("smc:first=0,last=0,every=0").plan(Budget(100, Unit.NFE), Prices(scales, make_judge(), 5))


@pytest.mark.parametrize("text", ["beam", "beam:score=preview", "rbf", "paths", "halving", "smc", "adaptive:search=halving"])
def test_images_of_one_step_have_nothing_to_look_at(text: str, flow, make_judge) -> None:
    prices = Prices(flow, make_judge(), 5)
    prices.steps = 1
    with pytest.raises(Unfit, match="images of one step are never unfinished: use random"):
        parse_search(text).plan(Budget(100, Unit.NFE), prices)


def test_a_search_that_nothing_limits_ends(flow, make_judge) -> None:
    with pytest.raises(ValueError, match="so that no budget limits them"):
        largest_size(Budget(100, Unit.NFE), lambda size: Cost(nfe=1), 2, "rows")


def test_a_plan_depends_on_the_prompts_own_text_only(scales, make_judge, ran) -> None:
    budget = Budget(5 * Prices(scales, make_judge(), 6).image().flops, Unit.FLOPS)
    together = ran(parse_search("random"), scales, budget, count=3).task
    for prompt in range(3):
        alone = ran(parse_search("random"), scales, budget, asked=[together.prompts[prompt]]).task
        assert alone.plans[0] == together.plans[prompt]
    assert len({plan.cost.flops for plan in together.plans}) == 3


def test_a_guided_search_has_one_judge(scales, ran, make_judge) -> None:
    with pytest.raises(ValueError, match="beam is guided by one verifier and got 2: run it once for each"):
        ran(parse_search("beam"), scales, judges=[make_judge("one"), make_judge("two")])

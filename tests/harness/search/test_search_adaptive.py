from collections import defaultdict

import numpy as np
import pytest

from harness.compute.flops import count_flops
from harness.compute.ledger import Budget, BudgetTooSmall, Unit
from harness.compute.prices import Calibration, Prices, calibrate
from harness.errors import WrongInput
from harness.run.table_rows import select
from harness.search.base import Unfit
from harness.search.spec import parse_search
from harness.search.subtask import Subtask
from suites.base import Prompt
from verifiers.base import Scores


def smallest(search, generator, judge, unit: Unit, calibration=None) -> float:
    with pytest.raises(BudgetTooSmall) as refused:
        search.plan(Budget(0.0, unit), Prices(generator, judge, 6, calibration))
    return refused.value.smallest


def total(task, unit: Unit) -> float:
    return sum(task.spent(prompt, task.judges[0]).amount(unit) for prompt in range(len(task.prompts)))


PAIRS = [
    ("adaptive", "scales", Unit.FLOPS), ("adaptive", "flow", Unit.IMAGES), ("adaptive:search=greedy", "scales", Unit.NFE),
    ("adaptive:rounds=3,search=beam:score=preview", "scales", Unit.FLOPS), ("adaptive:search=zero-order", "flow", Unit.NFE),
    ("adaptive:served=1,patience=1", "scales", Unit.NFE),
]  # fmt: skip


@pytest.mark.parametrize(("text", "model", "unit"), PAIRS)
def test_the_total_is_used_and_never_exceeded(text: str, model: str, unit: Unit, make_judge, ran, request) -> None:
    search, generator = parse_search(text), request.getfixturevalue(model)
    least = smallest(search, generator, make_judge(), unit)
    budget = Budget(least * 1.7, unit)
    task = ran(search, generator, budget, count=3).task
    spent = total(task, unit)
    assert spent <= budget.amount * 3
    grain = least / 2  # the smallest search of one prompt
    assert spent > min(0.9 * budget.amount * 3, budget.amount * 3 - grain)
    for prompt, entered in enumerate(task.candidates["judge"]):
        assert [one.order for one in entered] == list(range(len(entered)))
        assert [one.prompt for one in entered] == [prompt] * len(entered)
        assert len({one.path for one in entered}) == len(entered)
        assert entered[-1].spent.flops == task.spent(prompt, task.judges[0]).flops
        assert any(one.kept for one in entered)


def test_among_equals_no_place_in_the_suite_is_better(scales, ran, make_judge) -> None:
    """With one score for everything prompts are served in turn, and the same prompts in whatever order they stand."""
    judge = make_judge()
    judge.score = lambda images, texts: Scores(np.full((len(texts), 1), 10.0), ("",) * len(texts))
    prompts = [Prompt(f"{n:05}", "red circle", "any") for n in range(8)]

    def images(asked: list[Prompt]) -> dict[str, int]:
        found = ran(parse_search("adaptive"), scales, Budget(8, Unit.IMAGES), judges=[judge], asked=asked)
        return {prompt.id: len(found.of(n)) for n, prompt in enumerate(asked)}

    counts = images(prompts)
    assert images(prompts[::-1]) == counts
    assert sum(counts.values()) == 64
    assert max(counts.values()) <= 2 * min(counts.values())


def test_it_is_charged_to_the_last_flop(scales, ran) -> None:
    box: list = []
    search = parse_search("adaptive:rounds=2,search=greedy")
    counted = count_flops(lambda: box.append(ran(search, scales, Budget(48, Unit.NFE), count=2)))
    assert total(box[0].task, Unit.FLOPS) == counted


class Partial:
    """A judge that likes some prompts whatever their images."""

    def __init__(self, judge, liked: str, more: float = 10.0) -> None:
        self._judge, self._liked, self._more, self.card = judge, liked, more, judge.card
        self.forget, self.combine, self.price = judge.forget, judge.combine, judge.price

    def score(self, images, prompts) -> Scores:
        scores = self._judge.score(images, prompts)
        return Scores(scores.values_NM + np.array([[self._more if self._liked == text else 0.0] for text in prompts]), scores.reasons)


def test_what_a_good_prompt_does_not_need_goes_to_the_others(flow, make_judge, ran) -> None:
    budget = Budget(40, Unit.NFE)
    task = ran(parse_search("adaptive:served=0.5"), flow, budget, count=4, judges=[Partial(make_judge(), "red circle")]).task
    counts = [len(entered) for entered in task.candidates["judge"]]
    assert counts[0] == 2  # an even quarter of its budget, then nothing
    assert sum(counts) == 40
    assert max(counts) > 10
    even = ran(parse_search("random"), flow, budget, count=4).task
    for mine, others in zip(task.candidates["judge"], even.candidates["judge"], strict=True):
        for one, other in zip(mine, others, strict=False):
            assert one.path == other.path
            assert (one.image.int() - other.image.int()).abs().max() <= 1  # batches of another size round differently


def test_a_prompt_without_a_score_rests_while_there_are_others(flow, make_judge, ran) -> None:
    judge, budget = Partial(make_judge(), "red circle", np.nan), Budget(40, Unit.NFE)
    task = ran(parse_search("adaptive:served=0.5"), flow, budget, count=3, judges=[judge]).task
    counts = [len(entered) for entered in task.candidates["judge"]]
    assert counts[0] == 2  # of the first round, as everyone's
    assert sum(counts) == 30
    alone = ran(parse_search("adaptive"), flow, budget, count=1, judges=[judge]).task
    assert len(alone.candidates["judge"][0]) == 10


def test_good_enough_stops_for_good(flow, make_judge, ran) -> None:
    task = ran(parse_search("adaptive:enough=5"), flow, Budget(40, Unit.NFE), judges=[Partial(make_judge(), "red circle")]).task
    assert len(task.candidates["judge"][0]) == 2
    assert total(task, Unit.NFE) == 120
    task = ran(parse_search("adaptive:enough=-99"), flow, Budget(40, Unit.NFE)).task
    assert [len(entered) for entered in task.candidates["judge"]] == [2, 2, 2]


def test_the_batch_changes_nothing(scales, ran) -> None:
    budget = Budget(50, Unit.NFE)

    def names(**options) -> list:
        found = ran(parse_search("adaptive:search=greedy"), scales, budget, **options).task.candidates["judge"]
        return [[(one.path, one.kept, one.spent.nfe) for one in entered] for entered in found]

    assert names(max_rows=64) == names(max_rows=3)


def test_seeds_of_later_rounds_are_new(scales, ran) -> None:
    found = ran(parse_search("adaptive:search=greedy"), scales, Budget(90, Unit.NFE), count=2).task.candidates["judge"]
    for entered in found:
        roots = [one.path[0] for one in entered if one.step == 1]
        assert roots == list(range(len(roots)))
        assert all(one.path[:-1] == one.parent for one in entered)
        names = {one.path for one in entered}
        assert all(not one.parent or one.parent in names for one in entered)


def test_an_ensemble_moves_budget_by_patience_only(flow, make_judge, ran) -> None:
    judge = make_judge(parts=3)
    task = ran(parse_search("adaptive:patience=1"), flow, Budget(40, Unit.NFE), count=4, judges=[judge]).task
    assert total(task, Unit.NFE) == 160
    with pytest.raises(Unfit, match="enough compares scores of prompts, which an ensemble's ranks do not allow"):
        parse_search("adaptive:enough=1").plan(Budget(40, Unit.NFE), Prices(flow, judge, 6))


def test_a_missed_deadline_is_no_overspending(flow, make_judge, ran, ticking) -> None:
    honest = calibrate(flow, [make_judge()], "red circle", 4)
    for slower, factor in ((8, 2), (2, 12)):
        hasty = Calibration({key: seconds / slower for key, seconds in honest.per_row.items()})
        search, judge = parse_search("adaptive:search=zero-order"), make_judge()
        budget = Budget(factor * smallest(search, flow, judge, Unit.SECONDS, hasty), Unit.SECONDS)
        task = ran(search, flow, budget, max_rows=3, judges=[judge], calibration=hasty).task
        chosen = [
            select(entered, judge, task.prompts[prompt], budget, task.plans[prompt], task.limits[prompt])
            for prompt, entered in enumerate(task.candidates["judge"])
        ]
        assert sum(one.spent.seconds for one in chosen if one.candidate is not None) <= 3 * budget.amount
        assert any(one.candidate is not None for one in chosen) == (slower == 2)
        assert total(task, Unit.SECONDS) > 3 * budget.amount


def test_two_rounds_are_the_least(scales, make_judge) -> None:
    prices = Prices(scales, make_judge(), 6)
    with pytest.raises(BudgetTooSmall, match=r"cannot buy two rounds of beam: the smallest that can is 80 NFE"):
        parse_search("adaptive:search=beam").plan(Budget(79, Unit.NFE), prices)
    plan = parse_search("adaptive:search=beam").plan(Budget(125, Unit.NFE), prices)
    assert plan.parameters["rounds"] == 3
    assert plan.cost.nfe == 120


def test_later_rounds_branch_where_scores_have_differed_most(scales, ran) -> None:
    search = parse_search("adaptive:rounds=2,scales=2,search=lookahead:scales=0/1/2")
    task = ran(search, scales, Budget(150, Unit.NFE), count=2).task
    entered = [one for pool in task.candidates["judge"] for one in pool]
    children: dict = {}
    for one in entered:
        family = (one.prompt, one.parent if one.parent else one.path[0] < first_roots(task, one.prompt), one.step)
        children.setdefault(family, []).append(one)
    later = {one.step for one in entered if one.path[0] >= first_roots(task, one.prompt)}
    first = {one.step for one in entered if one.path[0] < first_roots(task, one.prompt)}
    assert first == {1, 2, 3}
    spread = {
        step: np.mean([
            np.std([one.values_M[0] for one in family]) for (prompt, _, at), family in children.items()
            if at == step and family[0].path[0] < first_roots(task, prompt)
        ]) for step in (1, 2, 3)
    }  # fmt: skip
    assert later == {1, *sorted(spread, key=spread.__getitem__)[1:]}
    assert total(task, Unit.NFE) <= 300
    with pytest.raises(WrongInput, match="scales=2 chooses where to branch: give search=lookahead"):
        parse_search("adaptive:scales=2,search=beam")


def first_roots(task, prompt: int) -> int:
    """Roots of a prompt's first round."""
    found = task.candidates["judge"][prompt]
    begins = [one.order for one in found if one.step == 1 and (not one.order or found[one.order - 1].step != 1)]
    return sum(one.step == 1 for one in found[: begins[1]]) if len(begins) > 1 else 99


@pytest.mark.parametrize("text", ["smc:preset=bfs", "beam:score=preview", "tts-var", "halving"])
def test_looks_count_as_images_of_the_total(text: str, scales, ran) -> None:
    budget = Budget(40, Unit.IMAGES)
    task = ran(parse_search(f"adaptive:search={text}"), scales, budget, count=2).task
    looked = [sum(t.rows for (name, _), t in task.generator.clock.items() if name == kind) for kind in ("preview", "decode")]
    assert all(looked)
    assert 60 < sum(looked) <= 80
    assert sum(task.spent(prompt, task.judges[0]).verifier_calls for prompt in range(2)) <= sum(looked)


def test_features_are_charged_to_the_prompts_whose_pictures_they_describe(scales, make_judge, ran) -> None:
    judge = make_judge()
    task = ran(parse_search("adaptive:rounds=3,served=0.5,search=tts-var"), scales, Budget(60, Unit.NFE), count=4, judges=[judge]).task
    for prompt, entered in enumerate(task.candidates["judge"]):
        spent = task.judges[0].ledger.spent(prompt)
        assert spent.verifier_calls == len(entered)
        features = spent.verifier_flops - judge.price(len(entered), 1).verifier_flops
        described = task.generator.looks[prompt] - sum(not one.complete for one in entered)
        assert features == described * judge.patches_price().verifier_flops > 0


@pytest.mark.parametrize(("text", "model"), [("tts-var", "scales"), ("smc", "scales"), ("evolution", "flow"), ("paths", "flow")])
def test_no_seed_is_used_twice(text: str, model: str, request, ran, monkeypatch) -> None:
    """Those of resampling, clusters and tournaments too, and those of roots that left no candidate."""
    asked: dict[tuple[str, int], set[int]] = defaultdict(set)
    original = Subtask.seed

    def spy(self: Subtask, prompt: int, path: tuple[int, ...], step: int) -> int:
        seed = original(self, prompt, path, step)
        asked[self.prompts[prompt].id, id(self)].add(seed)
        alive.append(self)
        return seed

    alive: list[Subtask] = []
    monkeypatch.setattr(Subtask, "seed", spy)
    ran(parse_search(f"adaptive:served=1,search={text}"), request.getfixturevalue(model), Budget(160, Unit.NFE), count=5)
    for prompt in {prompt for prompt, _ in asked}:
        subtasks = [seeds for (whose, _), seeds in asked.items() if whose == prompt]
        assert len(subtasks) > 1
        assert len(set().union(*subtasks)) == sum(map(len, subtasks))


@pytest.mark.parametrize(("text", "model"), [("random", "scales"), ("random", "flow"), ("greedy", "scales"), ("zero-order", "flow")])
def test_a_prompt_alone_spends_its_plan(text: str, model: str, request, make_judge, ran) -> None:
    search, generator = parse_search(f"adaptive:search={text}"), request.getfixturevalue(model)
    least = smallest(search, generator, make_judge(), Unit.NFE)
    for factor in (1.0, 1.25, 2.5, 3.9):
        budget = Budget(int(least * factor), Unit.NFE)
        task = ran(search, generator, budget, count=1).task
        spent, planned = task.spent(0, task.judges[0]), task.plans[0].cost
        assert (spent.nfe, spent.images, spent.flops) == (planned.nfe, planned.images, planned.flops)


def test_what_wraps_is_not_wrapped() -> None:
    for outer, inner in (("adaptive", "hybrid"), ("adaptive", "adaptive"), ("hybrid", "adaptive"), ("hybrid", "hybrid")):
        with pytest.raises(WrongInput, match=f"search={inner} wraps a search itself, which cannot be wrapped again"):
            parse_search(f"{outer}:search={inner}")

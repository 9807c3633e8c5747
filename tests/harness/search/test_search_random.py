import math

import pytest
import torch

from harness.compute.ledger import Budget, Unit
from harness.search.random import Random


@pytest.fixture(params=["scales", "flow"], scope="module")
def generator(request: pytest.FixtureRequest):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def pool(generator, ran):
    return ran(Random(candidates=5), generator, max_rows=8)


def static(cost):
    return {name: value for name, value in cost.as_columns().items() if not name.endswith("seconds")}


def test_what_a_candidate_had_spent_is_what_a_shorter_run_spends(generator, ran, pool) -> None:
    for count in (1, 3):
        shorter = ran(Random(candidates=count), generator, max_rows=3)
        for prompt in range(3):
            expected = static(shorter.task.spent(prompt, shorter.task.judges[0]))
            assert static(pool.of(prompt)[count - 1].spent) == expected


def test_smaller_budgets_are_prefixes_of_the_pool(generator, ran, pool) -> None:
    smaller = ran(Random(), generator, Budget(2 * generator.card.steps, Unit.NFE))
    for prompt in range(3):
        assert [one.path for one in smaller.of(prompt)] == [(0,), (1,)]
        affordable = [one for one in pool.of(prompt) if smaller.task.budget.affords(one.spent)]
        assert len(affordable) == 2
        for one, other in zip(smaller.of(prompt), affordable, strict=True):
            assert one.values_M == pytest.approx(other.values_M, abs=1e-5)
            assert static(one.spent) == static(other.spent)


def test_the_batch_and_the_order_of_prompts_change_nothing(generator, ran, pool) -> None:
    asked = list(pool.task.prompts)
    one_by_one = ran(Random(candidates=5), generator, max_rows=1, asked=asked[::-1])
    for prompt in range(3):
        for one, other in zip(one_by_one.of(2 - prompt), pool.of(prompt), strict=True):
            assert (one.path, one.order, static(one.spent)) == (other.path, other.order, static(other.spent))
            assert one.values_M == pytest.approx(other.values_M, abs=1e-5)
            assert (one.image.int() - other.image.int()).abs().max() <= 1


def test_candidates_are_independent_draws(pool) -> None:
    images = [one.image for one in pool.of(0)]
    assert not any(torch.equal(images[0], other) for other in images[1:])
    assert [one.order for one in pool.of(0)] == [0, 1, 2, 3, 4]
    assert all(one.parent == () and one.complete and one.step == 0 for one in pool.of(0))


def test_only_the_final_choice_is_kept(pool) -> None:
    for prompt in range(3):
        scores = [one.values_M[0] for one in pool.of(prompt)]
        assert [one.kept for one in pool.of(prompt)] == [score == max(scores) for score in scores]


def test_one_pool_serves_every_verifier(scales, ran, make_judge) -> None:
    judges = [make_judge("one"), make_judge("two", parts=3)]
    several = ran(Random(candidates=3), scales, judges=judges)
    assert len(judges[0].seen) == len(judges[1].seen) == 9
    for judge, name in zip(several.task.judges, ("one", "two"), strict=True):
        alone = ran(Random(candidates=3), scales, judges=[make_judge(name, parts=len(judge.card.parts))])
        for prompt in range(3):
            for one, other in zip(several.of(prompt, name), alone.of(prompt, name), strict=True):
                assert static(one.spent) == static(other.spent)
                assert one.values_M == pytest.approx(other.values_M, abs=1e-5)


def test_sharing_the_first_prediction(scales, ran) -> None:
    cost = ran(Random(candidates=5), scales, max_rows=2).of(1)[-1].spent
    assert cost.nfe == 5 * 4
    assert cost.forwards == 2 * (1 + 5 * 3)


@pytest.mark.parametrize("parts", [1, 2])
def test_unscored_candidates_are_never_chosen(scales, ran, make_judge, parts: int) -> None:
    """Also where one of an ensemble's members alone could not score them: the others of the prompt are ranked without them."""
    judge = make_judge(parts=parts)
    score = judge.score

    def blind(images, prompts):
        scores = score(images, prompts)
        scores.values_NM[1:, -1] = math.nan
        return type(scores)(scores.values_NM, ("", *["no face"] * (len(prompts) - 1)))

    judge.score = blind
    candidates = ran(Random(candidates=4), scales, count=1, judges=[judge]).of()
    assert [one.kept for one in candidates] == [True, False, False, False]
    assert [one.reason for one in candidates] == ["", "no face", "no face", "no face"]

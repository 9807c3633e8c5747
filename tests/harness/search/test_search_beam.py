import numpy as np
import pytest

from harness.search.beam import Beam, Greedy
from harness.search.random import Random
from models.base import Row


def from_scratch(task, prompt, path):
    """The image of a path without any sharing: one row, from the empty prefix."""
    generator = task.generator._generator
    state = generator.start(task.conditioning, [Row(prompt, 0)])
    for step in range(generator.card.steps):
        state = generator.draw(generator.predict(state), [task.seed(prompt, path[: step + 1], step)])
    return generator.decode(state)[0]


@pytest.fixture(scope="module")
def beam(scales, ran):
    return ran(Beam(width=2, candidates=2), scales, max_rows=8)


def test_rollouts_are_what_their_paths_say(beam) -> None:
    for one in beam.of(1):
        expected = from_scratch(beam.task, 1, one.path)
        assert (one.image.int() - expected.int()).abs().max() <= 1, one.path


def test_the_best_children_survive(beam) -> None:
    for prompt in range(3):
        parents = {()}
        for step in range(1, 5):
            children = [one for one in beam.of(prompt) if one.step == step]
            assert {one.parent for one in children} == parents
            assert len(children) == 4
            best = sorted(children, key=lambda one: -one.values_M[0])[:2]
            parents = {one.path for one in best}
            if step < 4:
                assert {one.path for one in children if one.kept} - {best_ever(beam, prompt)} <= parents
                assert parents <= {one.path for one in children if one.kept}


def best_ever(beam, prompt):
    return max(beam.of(prompt), key=lambda one: one.values_M[0]).path


def test_the_best_image_ever_finished_is_marked(beam) -> None:
    for prompt in range(3):
        assert all(one.complete for one in beam.of(prompt))
        assert best_ever(beam, prompt) in {one.path for one in beam.of(prompt) if one.kept}


def test_first_rollouts_are_randoms_first_candidates(scales, ran, beam) -> None:
    pool = ran(Random(candidates=4), scales)
    for prompt in range(3):
        for one, other in zip(pool.of(prompt), beam.of(prompt)[:4], strict=True):
            assert one.path == other.path
            assert (one.image.int() - other.image.int()).abs().max() <= 1
            assert one.spent.flops == other.spent.flops


def test_batches_and_order_of_prompts_change_nothing(scales, ran, beam) -> None:
    asked = list(beam.task.prompts)
    split = ran(Beam(width=2, candidates=2), scales, max_rows=3, asked=asked[::-1])
    for prompt in range(3):
        for one, other in zip(split.of(2 - prompt), beam.of(prompt), strict=True):
            assert (one.path, one.parent, one.kept, one.order) == (other.path, other.parent, other.kept, other.order)
            assert one.spent.flops == other.spent.flops
            assert one.values_M == pytest.approx(other.values_M, abs=1e-5)


def test_nothing_is_scored_twice(scales, ran, make_judge) -> None:
    judge = make_judge()
    ran(Beam(width=2, candidates=2), scales, judges=[judge])
    assert len(judge.seen) == 3 * 4 * 4


@pytest.mark.parametrize(("search", "product"), [(Greedy(candidates=2), 2), (Beam(width=2, candidates=1), 2)])
def test_the_papers_counts_at_thirteen_scales(scales_13, ran, search, product: int) -> None:
    done = ran(search, scales_13, count=1)
    cost = done.task.spent(0, done.task.judges[0])
    assert cost.images == 13 * product
    assert cost.nfe == 91 * product
    assert cost.forwards == 2 * (1 + 78 * product)  # guided: two sequences a pass
    assert static_cost(done.task.plans[0].cost) == static_cost(cost)


def static_cost(cost):
    return cost.nfe, cost.forwards, cost.images, cost.flops, cost.verifier_calls


def test_random_at_thirteen_scales(scales_13, ran) -> None:
    cost = ran(Random(candidates=3), scales_13, count=1).of()[-1].spent
    assert (cost.nfe, cost.images, cost.forwards) == (13 * 3, 3, 2 * (1 + 12 * 3))


def test_previews_guide_without_rollouts(scales, ran) -> None:
    done = ran(Beam(width=2, candidates=3, score="preview"), scales, max_rows=7)
    for prompt in range(3):
        candidates = done.of(prompt)
        assert [one.complete for one in candidates] == [False] * 18 + [True] * 6
        cost = done.task.spent(prompt, done.task.judges[0])
        assert cost.forwards == 2 * (1 + 2 * 3)
        assert (cost.nfe, cost.images, cost.verifier_calls) == (24, 6, 24)
        assert cost.flops == candidates[-1].spent.flops == done.task.plans[prompt].cost.flops
        final = next(one for one in candidates if one.complete and one.kept)
        assert final.values_M[0] == max(one.values_M[0] for one in candidates if one.complete)
        expected = from_scratch(done.task, prompt, final.path)
        assert (final.image.int() - expected.int()).abs().max() <= 1


def test_the_first_of_equals_survives(scales, ran, make_judge) -> None:
    judge = make_judge()
    score = judge.score

    def indifferent(images, prompts):
        scores = score(images, prompts)
        scores.values_NM[:] = 0.5
        return scores

    judge.score = indifferent
    done = ran(Beam(width=2, candidates=2), scales, count=1, judges=[judge])
    kept = [one.path for one in done.of() if one.kept]
    assert kept == [(0,), (1,), (0, 0), (0, 1), (0, 0, 0), (0, 0, 1)]


def test_an_ensembles_ranks_are_taken_within_one_scale(scales, ran, make_judge) -> None:
    judge = make_judge(parts=3)
    done = ran(Greedy(candidates=4), scales, count=1, judges=[judge])
    for step in (1, 2, 3):
        children = [one for one in done.of() if one.step == step]
        ranks = judge.combine(np.array([one.values_M for one in children]))
        assert children[int(ranks.argmax())].kept

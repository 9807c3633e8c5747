import pytest
import torch

from harness.search.random import Random
from harness.search.zero_order import ZeroOrder, neighbours
from models.base import Row


def test_neighbours_are_on_the_pivots_sphere_at_the_asked_angle() -> None:
    generator = torch.Generator().manual_seed(0)
    pivot_BX = torch.randn(5, 7, 8, generator=generator)
    random_BX = torch.randn(5, 7, 8, generator=generator)
    found_BX = neighbours(pivot_BX, random_BX, 0.95)
    assert found_BX.dtype == torch.float32
    for pivot, random, found in zip(pivot_BX.flatten(1), random_BX.flatten(1), found_BX.flatten(1), strict=True):
        assert float(found.norm()) == pytest.approx(float(pivot.norm()), rel=1e-5)
        assert float(torch.cosine_similarity(found, pivot, dim=0)) == pytest.approx(0.95, abs=1e-5)
        off = found - 0.95 * pivot
        assert torch.cosine_similarity(off, random - random @ pivot / (pivot @ pivot) * pivot, dim=0) > 0.9999
    assert torch.allclose(neighbours(pivot_BX, random_BX, 1.0), pivot_BX, atol=1e-6)


@pytest.fixture(scope="module")
def done(flow, ran):
    return ran(ZeroOrder(neighbours=3, candidates=9), flow, max_rows=8)


def test_every_image_is_its_paths_noise(flow, done) -> None:
    for prompt in range(2):
        noises = {}
        for one in done.of(prompt):
            noise_BX = flow.noise([done.task.seed(prompt, one.path, -1)])
            if one.parent:
                noise_BX = neighbours(noises[one.parent], noise_BX, 0.95)
            noises[one.path] = noise_BX
            state = flow.start_from(done.task.conditioning, [Row(prompt, 0)], noise_BX)
            for _ in range(flow.card.steps):
                state = flow.draw(flow.predict(state), [0])
            assert (flow.decode(state)[0].int() - one.image.int()).abs().max() <= 1, one.path


def test_the_best_so_far_is_the_pivot(done) -> None:
    for prompt in range(3):
        candidates = done.of(prompt)
        best, children = candidates[0], {}
        assert (best.path, best.parent, best.kept) == ((0,), (), True)
        for first in (1, 4, 7):
            group = candidates[first : first + 3]
            start = children.get(best.path, 0)
            assert [one.path for one in group] == [(*best.path, start + j) for j in range(len(group))]
            assert {one.parent for one in group} == {best.path}
            children[best.path] = start + len(group)
            leader = max(group, key=lambda one: one.values_M[0])
            assert [one.kept for one in group] == [one is leader and one.values_M > best.values_M for one in group]
            best = leader if leader.kept else best
        assert best.values_M[0] == max(one.values_M[0] for one in candidates)
        assert len({one.path for one in candidates}) == 9


def test_the_first_pivot_is_randoms_first_candidate(flow, ran, done) -> None:
    pool = ran(Random(candidates=1), flow)
    for prompt in range(3):
        assert (pool.of(prompt)[0].image.int() - done.of(prompt)[0].image.int()).abs().max() <= 1


def test_batches_and_order_of_prompts_change_nothing(flow, ran, done) -> None:
    asked = list(done.task.prompts)
    split = ran(ZeroOrder(neighbours=3, candidates=9), flow, max_rows=2, asked=asked[::-1])
    for prompt in range(3):
        for one, other in zip(split.of(2 - prompt), done.of(prompt), strict=True):
            assert (one.path, one.kept, one.order, one.spent.flops) == (
                other.path, other.kept, other.order, other.spent.flops
            )  # fmt: skip
            assert one.values_M == pytest.approx(other.values_M, abs=1e-5)


def test_an_ensemble_ranks_the_incumbent_with_its_challengers(flow, ran, make_judge) -> None:
    judge = make_judge(parts=3)
    candidates = ran(ZeroOrder(neighbours=4, candidates=9), flow, count=1, judges=[judge]).of()
    best = candidates[0]
    for first in (1, 5):
        pool = [best, *candidates[first : first + 4]]
        ranks = judge.combine(torch.tensor([one.values_M for one in pool]).numpy())
        best = pool[int(ranks.argmax())]
        assert best.kept
    assert len(judge.seen) == 9

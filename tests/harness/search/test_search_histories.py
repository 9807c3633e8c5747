"""Searches on diffusion against brute force: the same algorithms on histories and sorted lists, with no states or batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from history_model import History, HistoryJudge, HistoryModel, value

from harness.compute.ledger import Budget, Cost, Unit
from harness.compute.prices import Prices
from harness.search.base import Unfit
from harness.search.evolution import Evolution
from harness.search.frontier import keep
from harness.search.paths import Paths
from harness.search.rbf import RBF
from harness.search.spec import parse_search

Scored = tuple[tuple[int, ...], float, bool]
"""Path, score, finished."""


def steps(first: int, last: int) -> History:
    return tuple(("step", step) for step in range(first, last))


def noisy(task: Any, prompt: int, path: tuple[int, ...], step: int) -> tuple[Any, ...]:
    """A step that takes noise, but for the first."""
    return ("sde", step, task.seed(prompt, path, step), 1.0) if step else ("step", 0)


def entered(done: Any, prompt: int) -> list[Scored]:
    return [(one.path, one.values_M[0], one.complete) for one in done.of(prompt)]


def kept(done: Any, prompt: int) -> set[tuple[int, ...]]:
    return {one.path for one in done.of(prompt) if one.kept}


def best(scored: list[Scored]) -> tuple[int, ...]:
    return max((one for one in scored if one[2]), key=lambda one: one[1])[0]


TURNS = {10: (9, [(1, 10)]), 30: (27, [(3, 28), (4, 29), (5, 30)])}
"""By hand from sigma 0.11, forward 0.78, back 0.81: (1 - level) of the steps, half a step counting as one. Of 30 the levels are
0.11 up to 0.89, down to 0.08, up to 0.86, down to 0.05, up to 0.83, down to 0.02, which is the end."""


@pytest.mark.parametrize("count", TURNS)
def test_paths_turn_where_the_levels_say(count: int) -> None:
    start, turns = Paths().turns(count)
    assert (start, list(turns)) == TURNS[count]


def brute_paths(task: Any, prompt: int, width: int, children: int, count: int) -> tuple[list[Scored], set[tuple[int, ...]]]:
    start, turns = TURNS[count]
    frontier = {(n,): (("noise", task.seed(prompt, (n,), -1)), *steps(0, start)) for n in range(width)}
    scored: list[Scored] = []
    survivors: set[tuple[int, ...]] = set()
    for up, down in turns:
        born = {}
        for parent, history in frontier.items():
            for n in range(children):
                path = (*parent, n)
                born[path] = (*history, ("renoise", up, task.seed(prompt, path, -1)), *steps(up, down))
        scored += [(path, value(history), down == count) for path, history in born.items()]
        chosen = sorted(born, key=lambda path: -value(born[path]))[:width]
        frontier = {path: history for path, history in born.items() if path in chosen}
        if down < count:
            survivors |= set(frontier)
    return scored, survivors | {best(scored)}


@pytest.mark.parametrize(("count", "children"), [(10, 4), (30, 3)])
def test_paths_is_what_brute_force_says(ran, count: int, children: int) -> None:
    done = ran(parse_search(f"paths:width=2,candidates={children}"), HistoryModel(count), judges=[HistoryJudge()], max_rows=5)
    for prompt in range(3):
        scored, survivors = brute_paths(done.task, prompt, 2, children, count)
        assert entered(done, prompt) == scored
        assert kept(done, prompt) == survivors


@pytest.mark.parametrize("text", ["smc", "smc:preset=das", "rbf:looks=14", "evolution:population=14", "beam:candidates=2"])
def test_no_search_adds_noise_in_the_first_step(ran, text: str) -> None:
    """A flow's first step at level 1 would forget the noise that it starts from."""
    class Watched(HistoryModel):
        def draw_stochastic(self, state: Any, seeds: Any, level: float) -> Any:
            noisy.add(state.step)
            return super().draw_stochastic(state, seeds, level)

    noisy: set[int] = set()
    ran(parse_search(text), Watched(10), Budget(400, Unit.NFE), count=1, judges=[HistoryJudge()])
    assert noisy
    assert 0 not in noisy


@pytest.mark.parametrize("text", ["smc:preset=das,particles=6", "smc:preset=svdd,particles=6", "evolution:population=14"])
@pytest.mark.parametrize("steps", [4, 10])
def test_no_two_finished_images_are_one(ran, text: str, steps: int) -> None:
    """Copies are made only where noise parts them again."""
    done = ran(parse_search(text), HistoryModel(steps), count=2, judges=[HistoryJudge()])
    for prompt in range(2):
        finished = [one.values_M[0] for one in done.of(prompt) if one.complete]
        assert len(set(finished)) == len(finished) > 1


@pytest.mark.parametrize("text", ["smc", "rbf", "evolution"])
def test_two_steps_have_no_noise_to_search_with(text: str) -> None:
    with pytest.raises(Unfit, match="needs the noise of steps between the first and the last, and images of 2 steps have none"):
        parse_search(text).plan(Budget(1e6, Unit.NFE), Prices(HistoryModel(2), HistoryJudge(), 1))


def brute_rbf(task: Any, prompt: int, starts: int, quotas: list[int]) -> tuple[list[Scored], set[tuple[int, ...]]]:
    noises = {(n,): (("noise", task.seed(prompt, (n,), -1)),) for n in range(starts)}
    scored: list[Scored] = [(path, value(history), False) for path, history in noises.items()]
    path = max(noises, key=lambda path: value(noises[path]))
    history, highest, left, taken = noises[path], value(noises[path]), 0, {path}
    for step, quota in enumerate(quotas):
        left += quota
        tried: dict[tuple[int, ...], History] = {}
        while left:
            child = (*path, len(tried))
            tried[child] = (*history, noisy(task, prompt, child, step))
            left -= 1
            scored.append((child, value(tried[child]), False))
            better = value(tried[child]) > highest
            highest = max(highest, value(tried[child]))
            if better and step < len(quotas) - 1:
                break
        path = max(tried, key=lambda path: value(tried[path]))
        history = tried[path]
        taken.add(path)
    history = (*history, ("step", len(quotas)))
    scored.append(((*path, 0), value(history), True))
    return scored, taken | {(*path, 0)}


@pytest.mark.parametrize(("looks", "starts", "quotas"), [(30, 6, [1, 8, 8, 7]), (15, 3, [1, 4, 4, 3]), (17, 3, [1, 5, 4, 4])])
def test_rbf_is_what_brute_force_says(ran, looks: int, starts: int, quotas: list[int]) -> None:
    search = RBF(looks=looks, first=0.2)
    assert search.split(looks, 5) == (starts, quotas)
    done = ran(search, HistoryModel(5), count=12, judges=[HistoryJudge()], max_rows=4)
    rolled_over = 0
    for prompt in range(12):
        scored, taken = brute_rbf(done.task, prompt, starts, quotas)
        assert entered(done, prompt) == scored
        assert kept(done, prompt) == taken
        rolled_over += sum(len(path) == 5 for path, _, _ in scored) > quotas[-1]
    assert rolled_over


def test_rbf_fills_its_batches_with_prompts_and_holds_two_rows_of_each(ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six noises a prompt are looked at, of which one goes on: a batch of eight is one prompt's noises, then eight prompts' rows."""
    held: list[int] = []

    def kept(task: Any, rows: Any, names: Any) -> Any:
        frontier = keep(task, rows, names)
        held.append(sum(len(part.branches) for part in frontier))
        return frontier

    monkeypatch.setattr("harness.search.rbf.keep", kept)
    task = ran(RBF(looks=30, first=0.2), HistoryModel(5), count=8, judges=[HistoryJudge()], max_rows=8).task
    assert task.largest_batch == 8
    assert task.generator.clock["predict", 0].calls == 8
    assert task.generator.clock["draw", 0].calls == 1
    assert max(held) <= 2 * 8, "the parent and the best of its children"


class DearEarly(HistoryModel):
    """Its first predictions cost more than the later ones, as those with skip-layer guidance do."""

    def price(self, operation: Any, step: int = 0, text_tokens: int = 0) -> Cost:
        cost = super().price(operation, step, text_tokens)
        return cost + Cost(model_flops=2 if step < 3 else 1) if operation == "predict" else cost


@pytest.mark.parametrize("model", [HistoryModel, DearEarly])
def test_rbf_is_planned_as_a_bound_where_it_can_roll_over_to_cheaper_steps(ran, model: type[HistoryModel]) -> None:
    task = ran(RBF(looks=30), model(5), count=12, judges=[HistoryJudge()]).task
    spent = [task.spent(prompt, task.judges[0]).model_flops for prompt in range(12)]
    planned = task.plans[0].cost.model_flops
    assert task.plans[0].exact == (model is HistoryModel)
    assert not task.plans[0].placed
    assert max(spent) <= planned
    assert (min(spent) == planned) == task.plans[0].exact


SCHEDULES = {
    "flux": ((0, 14, 0), (1, 7, 3), (4, 7, 3), (6, 7, 3), (8, 10, 3)),
    "sd2.1": ((0, 42, 0), (0, 26, 5), (4, 26, 5), (6, 26, 5), (8, 30, 5)),
}
"""Published, of 10 steps: where each generation begins, its images, and how many of them are elites."""


def brute_evolution(task: Any, prompt: int, schedule: tuple[tuple[int, int, int], ...], rate: float) -> list[Scored]:
    begins = [step for step, _, _ in schedule[1:]]
    passed: dict[tuple[int, ...], dict[int, History]] = {}
    score: dict[tuple[int, ...], float] = {}

    def live(path: tuple[int, ...], history: History, begun: int) -> None:
        passed[path] = {}
        for step in range(begun, 10):
            if step in begins:
                passed[path][step] = history
            history = (*history, noisy(task, prompt, path, step))
        score[path] = value(history)

    for n in range(schedule[0][1]):
        live((n,), (("noise", task.seed(prompt, (n,), -1)),), 0)
    born = 0
    for generation, (step, images, elites) in enumerate(schedule[1:], 1):
        ranked = sorted(score, key=lambda path: -score[path])
        random = np.random.default_rng(task.seed(prompt, (), generation))
        for place in range(images):
            if place < elites:
                parent, history = ranked[place], passed[ranked[place]][step]
                path = (*parent, born)
            else:
                rivals = [ranked[n] for n in random.permutation(len(ranked))[: max(1, int(0.9 * len(ranked)))]]
                parent = max(rivals, key=lambda path: score[path])
                path = (*parent, born)
                history = (*passed[parent][step], ("mutate", step, task.seed(prompt, path, -1), rate))
            born += 1
            live(path, history, step)
    return [(path, one, True) for path, one in score.items()]


@pytest.mark.parametrize(("preset", "population"), [("flux", 14), ("sd2.1", 42)])
def test_evolution_is_what_brute_force_says(ran, preset: str, population: int) -> None:
    search = Evolution(preset=preset, population=population)
    assert search.generations(population, 10) == SCHEDULES[preset]
    done = ran(search, HistoryModel(10), count=2, judges=[HistoryJudge()], max_rows=9)
    for prompt in range(2):
        scored = brute_evolution(done.task, prompt, SCHEDULES[preset], 0.2)
        assert entered(done, prompt) == scored
        assert kept(done, prompt) == {best(scored)}

"""Intervals, pairing and AUROC against references and invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics import OVERALL, Bootstrap, least_prompts

TASKS = ["a"] * 40 + ["b"] * 60


def test_prompts_weigh_the_same_where_the_suite_says_so() -> None:
    tasks = ["a"] * 30 + ["b"] * 10 + ["c"] * 2
    column = np.concatenate([np.linspace(0, 1, 30), np.full(10, 3.0), [np.nan, np.nan]])
    mean, low, high = Bootstrap(tasks, over_prompts=True).overall(column)
    assert mean == pytest.approx(np.nanmean(column))
    assert low < mean < high
    assert np.isnan(Bootstrap(tasks).overall(column)[0])
    assert np.isnan(Bootstrap(tasks, over_prompts=True).overall(np.full(42, np.nan))).all()


def values(seed: int = 3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.where(np.arange(100) < 40, generator.random(100) < 0.3, generator.random(100) < 0.8).astype(float)


def test_overall_is_the_unweighted_mean_of_task_means() -> None:
    column = values()
    mean, low, high = Bootstrap(TASKS).overall(column)
    assert mean == pytest.approx((column[:40].mean() + column[40:].mean()) / 2)
    assert low < mean < high


def test_interval_agrees_with_scipy_on_one_task() -> None:
    column = np.random.default_rng(0).normal(size=400)
    _, low, high = Bootstrap(["a"] * 400, replicates=8000).overall(column)
    reference = stats.bootstrap((column,), np.mean, n_resamples=8000, method="percentile", rng=1).confidence_interval
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=0.01)


def test_interval_of_tasks_agrees_with_the_normal_approximation() -> None:
    column = values()
    _, low, high = Bootstrap(TASKS, replicates=8000).overall(column)
    error = 0.5 * math.sqrt(column[:40].var(ddof=1) / 40 + column[40:].var(ddof=1) / 60)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_small_tasks_are_not_too_sure_of_themselves() -> None:
    """Three prompts a task: plain resampling would shrink the interval by sqrt(2 / 3)."""
    column = np.random.default_rng(0).normal(size=600)
    tasks = [str(n // 3) for n in range(600)]
    _, low, high = Bootstrap(tasks, replicates=4000).overall(column)
    within = [column[n : n + 3].var(ddof=1) / 3 for n in range(0, 600, 3)]
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(sum(within)) / 200, rel=0.06)


def test_few_prompts_give_no_interval_and_no_verdict() -> None:
    """Two prompts a task that agree by chance: their means are certain of nothing."""
    few = Bootstrap(["a", "a", "b", "b"]).estimate(np.array([1.0, 1.0, 0.0, 0.0])[:, None])
    enough = Bootstrap(["a"] * 8 + ["b"] * 8).estimate(np.tile([1.0, 0.0], 8)[:, None])
    for name in (OVERALL, "a"):
        assert few[name].mean_G[0] == (0.5 if name == OVERALL else 1.0)
        assert np.isnan(few[name].low_G[0])
        assert enough[name].low_G[0] < 0.5 < enough[name].high_G[0]


def test_same_seed_same_interval_and_other_columns_change_nothing() -> None:
    column = values()
    alone = Bootstrap(TASKS, seed=5).estimate(column[:, None])[OVERALL]
    beside = Bootstrap(TASKS, seed=5).estimate(np.column_stack([values(9), column]))[OVERALL]
    assert alone.low_G[0] == beside.low_G[1]
    assert alone.high_G[0] == beside.high_G[1]


def test_pairing_makes_a_constant_difference_certain() -> None:
    column = values()
    mean, low, high = Bootstrap(TASKS).overall(column - (column - 0.1))
    assert (mean, low, high) == pytest.approx((0.1, 0.1, 0.1))


def test_one_prompt_gives_no_interval() -> None:
    mean, low, high = Bootstrap(["a"]).overall(np.array([1.0]))
    assert mean == 1.0
    assert math.isnan(low)
    assert math.isnan(high)


def test_unscored_prompts_are_left_out_and_an_unscored_task_has_no_overall() -> None:
    column = values()
    column[:5] = np.nan
    found = Bootstrap(TASKS).estimate(column[:, None])
    assert found["a"].mean_G[0] == pytest.approx(column[5:40].mean())
    assert found["a"].prompts_G[0] == 35
    column[:40] = np.nan
    found = Bootstrap(TASKS).estimate(column[:, None])
    assert math.isnan(found[OVERALL].mean_G[0])
    assert found["b"].mean_G[0] == pytest.approx(column[40:].mean())


def test_pooled_mean_over_the_prompts_that_have_a_value() -> None:
    column = values()
    column[::2] = np.nan
    mean, low, high = Bootstrap(TASKS).pooled(column)
    assert mean == pytest.approx(np.nanmean(column))
    assert low < mean < high


def test_a_mean_of_few_prompts_has_no_interval_however_many_there_are() -> None:
    column = np.full(100, np.nan)
    column[:3] = [0.2, 0.5, 0.9]
    assert np.isnan(Bootstrap(TASKS).pooled(column)[1])
    column[3] = 0.4
    assert np.isfinite(Bootstrap(TASKS).pooled(column)[1])


def test_one_task_needs_as_many_prompts_alone_as_among_others() -> None:
    assert [least_prompts(tasks) for tasks in (1, 2, 6)] == [4, 5, 15]
    for prompts in (3, 4):
        found = Bootstrap(["a"] * prompts).estimate(np.arange(prompts, dtype=float)[:, None])
        assert np.isnan(found[OVERALL].low_G[0]) == np.isnan(found["a"].low_G[0]) == (prompts < 4)

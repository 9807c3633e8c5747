"""Intervals, pairing and AUROC against references and invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics import OVERALL, Bootstrap
from reports.strata import least_prompts

TASKS = ["a"] * 40 + ["b"] * 60


def test_prompts_weigh_the_same_where_the_suite_says_so() -> None:
    tasks = ["a"] * 30 + ["b"] * 10 + ["c"] * 2
    column = np.concatenate([np.linspace(0, 1, 30), np.full(10, 3.0), [np.nan, np.nan]])
    mean, low, high = Bootstrap(tasks, over_prompts=True).overall(column, (0, 4))
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


@pytest.mark.parametrize(("tasks", "prompts", "least"), [(1, 4, 0.86), (1, 6, 0.895), (1, 10, 0.93), (6, 3, 0.933)])
def test_intervals_of_few_prompts_hold_the_truth_nearly_as_often_as_they_say(tasks: int, prompts: int, least: float) -> None:
    """Scores between 0 and 1, skewed; plain percentile intervals of these hold the truth in 0.81, 0.87, 0.91 and 0.92."""
    scores = np.random.default_rng(1).beta(2, 1, size=(tasks * prompts, 1000))
    names = [str(task) for task in range(tasks) for _ in range(prompts)]
    found = Bootstrap(names, replicates=4000).estimate(scores)[OVERALL]
    assert np.mean((found.low_G <= 2 / 3) & (found.high_G >= 2 / 3)) >= least
    assert (found.low_G >= 0).all()
    assert (found.high_G <= 1).all()


def test_the_ends_are_those_percentiles_that_student_gives() -> None:
    """Five prompts, four degrees of freedom: t is 2.776, which a normal exceeds in 0.00275 on either side (Hesterberg, 2015)."""
    column = np.random.default_rng(0).normal(size=5)
    low, high = Bootstrap(["a"] * 5, replicates=100_000).overall(column)[1:]
    means = np.random.default_rng(1).choice(column, size=(100_000, 4)).mean(axis=1)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.00275, 1 - 0.00275])), abs=0.03)


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


@pytest.mark.parametrize(("prompts", "right"), [(6, 6), (8, 8), (8, 0), (57, 57)])
def test_where_all_are_right_or_all_wrong_the_interval_is_the_exact_one(prompts: int, right: int) -> None:
    column = np.full(prompts, float(right > 0))
    exact = stats.binomtest(right, prompts).proportion_ci(method="exact")
    assert Bootstrap(["a"] * prompts).overall(column)[1:] == pytest.approx((exact.low, exact.high))
    halves = Bootstrap(["a", "b"] * (prompts // 2)).overall(column[: prompts // 2 * 2])
    assert halves[1:] == pytest.approx((exact.low, exact.high), abs=0.005), "tasks that all are right are as sure as their prompts are many"


def test_a_task_in_which_all_score_alike_adds_to_the_interval_what_it_leaves_open() -> None:
    """Squares add up (Zou and Donner, 2008), below only: no share is above 1."""
    column = values()
    varied = Bootstrap(TASKS).estimate(np.column_stack([column, np.where(np.arange(100) < 40, column, 1.0)]))
    alone, solved = varied["a"], stats.binomtest(60, 60).proportion_ci(method="exact")
    below = math.hypot(alone.mean_G[1] - alone.low_G[1], 1 - solved.low) / 2
    assert varied[OVERALL].mean_G[1] - varied[OVERALL].low_G[1] == pytest.approx(below, rel=0.01)
    assert varied[OVERALL].high_G[1] - varied[OVERALL].mean_G[1] == pytest.approx((alone.high_G[1] - alone.mean_G[1]) / 2, rel=0.01)


def test_a_small_task_among_those_that_do_not_vary_counts_by_its_own_prompts() -> None:
    """At worst all that no prompt shows is in the task that has the fewest of them for its weight."""
    tasks = ["a"] * 4 + ["b"] * 40
    low = Bootstrap(tasks).overall(np.ones(44))[1]
    assert low == pytest.approx(1 - (1 - 0.025 ** (1 / 8)))
    assert Bootstrap(tasks, over_prompts=True).overall(np.ones(44))[1] == pytest.approx(0.025 ** (1 / 44))


def test_scores_between_other_ends_leave_as_much_open_as_these_lie_apart() -> None:
    bootstrap, same = Bootstrap(["a"] * 8), np.full(8, 2.0)
    low, high = bootstrap.overall(same, (-1.0, 3.0))[1:]
    chance = 1 - 0.025 ** (1 / 8)
    assert (low, high) == pytest.approx((2 - 3 * chance, 2 + chance))
    assert bootstrap.overall(same, (2.0, 2.0)) == (2, 2, 2), "no score differs, and none can"


def test_prompts_are_enough_or_not_whether_they_vary_or_not() -> None:
    assert Bootstrap(TASKS).enough(np.ones((100, 1))).all()
    assert not Bootstrap(["a", "b", "b", "b", "b", "b"]).enough(np.ones((6, 1))).any()
    assert not Bootstrap(["a", "a", "b", "b"]).enough(np.ones((4, 1))).any()


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


def test_a_pooled_mean_is_as_uncertain_as_its_prompts_are_whatever_their_tasks() -> None:
    """Two or three prompts a task, tasks that differ: resampled within tasks they would hardly vary."""
    tasks = [str(place // 3) for place in range(30)]
    column = np.random.default_rng(4).normal(size=30) + np.repeat(np.arange(10), 3)
    column[[0, 3, 6]] = np.nan
    mean, low, high = Bootstrap(tasks, replicates=8000).pooled(column)
    scored = column[np.isfinite(column)]
    assert mean == pytest.approx(scored.mean())
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 26) * scored.std(ddof=1) / math.sqrt(27), rel=0.05)


def test_a_pooled_mean_has_an_interval_where_as_many_prompts_give_a_score_one() -> None:
    for tasks, least in ((1, 4), (2, 5), (6, 15)):
        for number in (least - 1, least):
            column = np.full(20 * tasks, np.nan)
            column[:number] = np.linspace(0, 1, number)
            mean, low, high = Bootstrap([str(task) for task in range(tasks) for _ in range(20)]).pooled(column)
            assert mean == pytest.approx(0.5)
            assert np.isfinite([low, high]).all() == (number == least)


def test_one_task_needs_as_many_prompts_alone_as_among_others() -> None:
    assert [least_prompts(tasks) for tasks in (1, 2, 6)] == [4, 5, 15]
    for prompts in (3, 4):
        found = Bootstrap(["a"] * prompts).estimate(np.arange(prompts, dtype=float)[:, None])
        assert np.isnan(found[OVERALL].low_G[0]) == np.isnan(found["a"].low_G[0]) == (prompts < 4)


def test_intervals_that_hold_together_are_those_of_the_largest_of_many() -> None:
    """Independent columns: the 95 % quantile of the largest of 20 absolute normals is 3.02, that of one 1.96."""
    columns = np.random.default_rng(2).normal(size=(400, 20))
    bootstrap = Bootstrap(["a"] * 400, replicates=8000)
    together, alone = bootstrap.together(columns), bootstrap.together(columns[:, :1])
    error = columns.std(axis=0, ddof=1) / 20
    widest = 2 * stats.norm.ppf((1 + 0.95 ** (1 / 20)) / 2)
    assert (together.high_G - together.low_G) / error == pytest.approx(np.full(20, widest), rel=0.04)
    assert (alone.high_G[0] - alone.low_G[0]) / error[0] == pytest.approx(2 * 1.96, rel=0.04)
    assert together.mean_G == pytest.approx(columns.mean(axis=0))


def test_the_best_of_equal_methods_is_rarely_told_from_the_others() -> None:
    """Eight methods that differ by luck alone: whichever comes first, at most one experiment in twenty may tell it from any."""
    generator, told, alone = np.random.default_rng(11), 0, 0
    for _ in range(200):
        values = generator.random((60, 8)) < 0.5
        order = np.argsort(-values.mean(axis=0))
        columns = values[:, order].astype(float)
        bootstrap = Bootstrap(["a"] * 60, replicates=400)
        told += any(low > 0 for _, low, _ in bootstrap.behind_first(columns)[1:])
        alone += any(bootstrap.overall(columns[:, 0] - columns[:, other])[1] > 0 for other in range(1, 8))
    assert told <= 16, "10 are expected, 16 is two standard errors above"
    assert alone > 60, "without the correction one of the seven is often 'behind'"


def test_what_is_behind_is_paired_and_the_first_is_not_behind_itself() -> None:
    base = values()
    behind = Bootstrap(TASKS).behind_first(np.column_stack([base, base - 0.1, np.where(base > 0, 0.0, base)]))
    assert behind[0] == (0, 0, 0)
    chance = 1 - (0.025 / 3) ** (1 / 80)
    assert behind[1] == pytest.approx((0.1, 0.1 - 1.1 * chance, 0.1 + 0.9 * chance)), "three pairs; 40 and 60 prompts count as 80"
    mean, low, high = behind[2]
    assert low < mean < high
    assert Bootstrap(TASKS).behind_first(base[:, None]) == [(0, 0, 0)]


def test_a_method_read_between_two_points_is_as_unsure_as_they_are() -> None:
    """Right everywhere at one of its points: a mean of both, taken by prompt, would vary by next to nothing."""
    first, other, all_right = values(), values(9), np.ones(100)
    bootstrap, points = Bootstrap(TASKS), np.column_stack([first, other, all_right])
    near = bootstrap.behind_first(points, np.array([[1, 0, 0], [0, 0.001, 0.999]]))[1]
    at = bootstrap.behind_first(points[:, [0, 2]])[1]
    assert near == pytest.approx(at, abs=0.002)
    middle = bootstrap.behind_first(points, np.array([[1, 0, 0], [0, 0.5, 0.5]]))[1]
    assert middle == pytest.approx((np.array(bootstrap.behind_first(points[:, :2])[1]) + at) / 2)


def test_no_difference_goes_beyond_how_far_scores_lie_apart() -> None:
    few_PG = np.array([[1, 0], [0, 1], *[[1, 1]] * 4, *[[0, 0]] * 4], dtype=float)
    bootstrap = Bootstrap(["a", "a", "b", "b", "c", "c", "c", "d", "d", "d"])
    assert bootstrap.behind_first(few_PG, most=5)[1][2] > 1, "Student's t of one degree of freedom"
    assert bootstrap.behind_first(few_PG)[1] == (0.0, -1.0, 1.0)


def test_a_difference_of_all_prompts_of_one_task_alone_is_not_certain() -> None:
    column = np.where(np.arange(100) < 40, 1.0, 0.0)
    told = Bootstrap(TASKS).together(np.column_stack([column, np.ones(100), values()]))
    assert told.mean_G[:2] == pytest.approx([0.5, 1.0])
    assert (told.low_G[:2] < told.mean_G[:2] - 0.05).all()
    few = Bootstrap(["a"] * 4 + ["b"] * 4).together(column[36:44, None])
    assert few.low_G[0] < 0 < 0.5 == few.mean_G[0], "four that turn from wrong to right are not certain"


def test_a_column_without_enough_prompts_has_no_interval_and_costs_the_others_none() -> None:
    column = values()
    few = np.where(np.arange(100) < 2, column, np.nan)
    beside, alone = Bootstrap(TASKS).together(np.column_stack([column, few])), Bootstrap(TASKS).together(column[:, None])
    assert np.isnan(beside.low_G[1])
    assert (beside.low_G[0], beside.high_G[0]) == pytest.approx((alone.low_G[0], alone.high_G[0]))

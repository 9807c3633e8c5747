"""Intervals, pairing and AUROC against references and invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics import OVERALL, Sample
from reports.strata import Ends
from results.prompts_needed import least_prompts

TASKS = ["a"] * 40 + ["b"] * 60
UNKNOWN = Ends(-9.0, 9.0, known=False)


def test_prompts_weigh_the_same_where_the_suite_says_so() -> None:
    tasks = ["a"] * 30 + ["b"] * 10 + ["c"] * 2
    column = np.concatenate([np.linspace(0, 1, 30), np.full(10, 3.0), [np.nan, np.nan]])
    mean, low, high = Sample(tasks, over_prompts=True).overall(column, Ends(0, 4))
    assert mean == pytest.approx(np.nanmean(column))
    assert low < mean < high
    assert np.isnan(Sample(tasks).overall(column)[0])
    assert np.isnan(Sample(tasks, over_prompts=True).overall(np.full(42, np.nan))).all()


def values(seed: int = 3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.where(np.arange(100) < 40, generator.random(100) < 0.3, generator.random(100) < 0.8).astype(float)


def test_overall_is_the_unweighted_mean_of_task_means() -> None:
    column = values()
    mean, low, high = Sample(TASKS).overall(column)
    assert mean == pytest.approx((column[:40].mean() + column[40:].mean()) / 2)
    assert low < mean < high


def test_the_interval_of_scores_that_are_not_skewed_is_students() -> None:
    half = np.random.default_rng(0).random(20)
    column = np.concatenate([half, -half])
    student = stats.ttest_1samp(column, 0).confidence_interval()
    found = Sample(["a"] * 40).overall(column, UNKNOWN)
    assert found[1:] == pytest.approx((student.low, student.high))


@pytest.mark.parametrize("over_prompts", [False, True])
def test_the_end_towards_the_longer_tail_lies_further_out(over_prompts: bool) -> None:
    """By (1 + 2 z²) / 6 times the mean's skewness (Johnson, 1978), here put together task by task."""
    column = np.linspace(0, 1, 12)[[0, 11, 2, 3, 9, 5, 6, 7, 8, 4, 10, 1]] ** 4
    weights = np.array([2 / 3, 1 / 3] if over_prompts else [1 / 2, 1 / 2])
    each = [column[:8], column[8:]]
    parts = weights**2 * [part.var(ddof=1) / len(part) for part in each]
    thirds = weights**3 * [stats.moment(part, 3) / (len(part) - 1) / len(part) for part in each]
    error, freedom = math.sqrt(parts.sum()), parts.sum() ** 2 / (parts**2 / [7, 3]).sum()
    student, skewness = stats.t.ppf(0.975, freedom), thirds.sum() / error**3
    assert skewness > 0.25
    further = skewness * (1 + 2 * stats.norm.ppf(0.975) ** 2) / 6
    mean, low, high = Sample(["a"] * 8 + ["b"] * 4, over_prompts=over_prompts).overall(column, UNKNOWN)
    assert (mean - low, high - mean) == pytest.approx((student * error, (student + further) * error))
    assert Sample(["a"] * 8 + ["b"] * 4, over_prompts=over_prompts).overall(-column, UNKNOWN) == pytest.approx((-mean, -high, -low))


@pytest.mark.parametrize(("prompts", "right"), [(57, 51), (200, 160), (57, 28)])
def test_of_a_share_the_end_towards_the_longer_tail_is_about_that_of_the_exact_interval(prompts: int, right: int) -> None:
    exact = stats.binomtest(right, prompts).proportion_ci(method="exact")
    low, high = Sample(["a"] * prompts).overall((np.arange(prompts) < right).astype(float))[1:]
    assert low == pytest.approx(exact.low, abs=0.01)
    assert exact.high - 0.005 < high < exact.high + 0.02


def test_an_interval_is_not_cut_to_the_scores_seen_but_to_those_that_can_be() -> None:
    column = np.array([0.5, 1.0, 1.0, 1.0])
    assert Sample(["a"] * 4).overall(column)[2] == 1
    assert Sample(["a"] * 4).overall(column)[1] < 0.5
    assert Sample(["a"] * 4).overall(column, Ends(0.5, 1.0, known=False))[2] > 1.2
    ends = Ends(np.zeros(2), np.ones(2), np.array([True, False]))
    high_G = Sample(["a"] * 4).estimate(np.column_stack([column, column]), ends)[OVERALL].high_G
    assert high_G[0] == 1 < high_G[1]


def test_a_task_of_two_prompts_moves_the_mean_no_further_than_it_can_be() -> None:
    """Half right in one of two tasks: at most all right; Student's t of one degree of freedom says 12.7 errors, 1.6 to either side."""
    column = np.array([0.5, 1.0, *[1.0] * 8])
    tasks = ["a"] * 2 + ["b"] * 8
    mean, low, high = Sample(tasks).overall(column)
    assert (mean, high) == (0.875, 1)
    assert mean - low == pytest.approx(math.hypot(0.75 / 2, 0.5 * (1 - 0.025 ** (1 / 8))))
    assert Sample(tasks).overall(column, Ends(0.5, 1.0, known=False))[1] < 0
    for known in (True, False):
        ends = Ends(np.zeros((2, 1)), np.ones((2, 1)), np.array([[known], [not known]]))
        assert (Sample(tasks).overall(column, ends)[1] == pytest.approx(low)) == known, "of the task that varies they must be known"


def test_interval_of_tasks_agrees_with_the_normal_approximation() -> None:
    column = values()
    _, low, high = Sample(TASKS).overall(column)
    error = 0.5 * math.sqrt(column[:40].var(ddof=1) / 40 + column[40:].var(ddof=1) / 60)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_small_tasks_are_not_too_sure_of_themselves() -> None:
    """Three prompts a task: with the variance over n, not n - 1, the interval would shrink by sqrt(2 / 3)."""
    column = np.random.default_rng(0).normal(size=600)
    tasks = [str(n // 3) for n in range(600)]
    _, low, high = Sample(tasks).overall(column, UNKNOWN)
    within = [column[n : n + 3].var(ddof=1) / 3 for n in range(0, 600, 3)]
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(sum(within)) / 200, rel=0.06)


@pytest.mark.parametrize(("tasks", "prompts", "least"), [(1, 4, 0.91), (1, 6, 0.93), (1, 10, 0.94), (6, 3, 0.95)])
def test_intervals_of_few_prompts_hold_the_truth_nearly_as_often_as_they_say(tasks: int, prompts: int, least: float) -> None:
    """Scores between 0 and 1, skewed; what a percentile bootstrap makes of these holds the truth in 0.81, 0.87, 0.91 and 0.92."""
    scores = np.random.default_rng(1).beta(2, 1, size=(tasks * prompts, 2000))
    names = [str(task) for task in range(tasks) for _ in range(prompts)]
    found = Sample(names).estimate(scores)[OVERALL]
    assert np.mean((found.low_G <= 2 / 3) & (found.high_G >= 2 / 3)) >= least
    assert (found.low_G >= 0).all()
    assert (found.high_G <= 1).all()


def test_few_prompts_give_no_interval_and_no_verdict() -> None:
    """Two prompts a task that agree by chance: their means are certain of nothing."""
    few = Sample(["a", "a", "b", "b"]).estimate(np.array([1.0, 1.0, 0.0, 0.0])[:, None])
    enough = Sample(["a"] * 8 + ["b"] * 8).estimate(np.tile([1.0, 0.0], 8)[:, None])
    for name in (OVERALL, "a"):
        assert few[name].mean_G[0] == (0.5 if name == OVERALL else 1.0)
        assert np.isnan(few[name].low_G[0])
        assert enough[name].low_G[0] < 0.5 < enough[name].high_G[0]


def test_other_columns_change_no_interval() -> None:
    column = values()
    alone = Sample(TASKS).estimate(column[:, None])[OVERALL]
    beside = Sample(TASKS).estimate(np.column_stack([values(9), column]))[OVERALL]
    assert alone.low_G[0] == beside.low_G[1]
    assert alone.high_G[0] == beside.high_G[1]


@pytest.mark.parametrize(("prompts", "right"), [(6, 6), (8, 8), (8, 0), (57, 57)])
def test_where_all_are_right_or_all_wrong_the_interval_is_the_exact_one(prompts: int, right: int) -> None:
    column = np.full(prompts, float(right > 0))
    exact = stats.binomtest(right, prompts).proportion_ci(method="exact")
    assert Sample(["a"] * prompts).overall(column)[1:] == pytest.approx((exact.low, exact.high))
    halves = Sample(["a", "b"] * (prompts // 2)).overall(column[: prompts // 2 * 2])
    assert halves[1:] == pytest.approx((exact.low, exact.high), abs=0.005), "tasks that all are right are as sure as their prompts are many"


def test_a_task_in_which_all_score_alike_adds_to_the_interval_what_it_leaves_open() -> None:
    """Squares add up (Zou and Donner, 2008), below only: no share is above 1."""
    column = values()
    varied = Sample(TASKS).estimate(np.column_stack([column, np.where(np.arange(100) < 40, column, 1.0)]))
    alone, solved = varied["a"], stats.binomtest(60, 60).proportion_ci(method="exact")
    below = math.hypot(alone.mean_G[1] - alone.low_G[1], 1 - solved.low) / 2
    assert varied[OVERALL].mean_G[1] - varied[OVERALL].low_G[1] == pytest.approx(below, rel=0.01)
    assert varied[OVERALL].high_G[1] - varied[OVERALL].mean_G[1] == pytest.approx((alone.high_G[1] - alone.mean_G[1]) / 2, rel=0.01)


def test_a_small_task_among_those_that_do_not_vary_counts_by_its_own_prompts() -> None:
    """At worst all that no prompt shows is in the task that has the fewest of them for its weight."""
    tasks = ["a"] * 4 + ["b"] * 40
    low = Sample(tasks).overall(np.ones(44))[1]
    assert low == pytest.approx(1 - (1 - 0.025 ** (1 / 8)))
    assert Sample(tasks, over_prompts=True).overall(np.ones(44))[1] == pytest.approx(0.025 ** (1 / 44))


def test_scores_between_other_ends_leave_as_much_open_as_these_lie_apart() -> None:
    sample, same = Sample(["a"] * 8), np.full(8, 2.0)
    low, high = sample.overall(same, Ends(-1.0, 3.0))[1:]
    chance = 1 - 0.025 ** (1 / 8)
    assert (low, high) == pytest.approx((2 - 3 * chance, 2 + chance))
    assert sample.overall(same, Ends(2.0, 2.0)) == (2, 2, 2), "no score differs, and none can"


def test_prompts_are_enough_or_not_whether_they_vary_or_not() -> None:
    assert Sample(TASKS).enough(np.ones((100, 1))).all()
    assert not Sample(["a", "b", "b", "b", "b", "b"]).enough(np.ones((6, 1))).any()
    assert not Sample(["a", "a", "b", "b"]).enough(np.ones((4, 1))).any()


def test_one_prompt_gives_no_interval() -> None:
    mean, low, high = Sample(["a"]).overall(np.array([1.0]))
    assert mean == 1.0
    assert math.isnan(low)
    assert math.isnan(high)


def test_unscored_prompts_are_left_out_and_an_unscored_task_has_no_overall() -> None:
    column = values()
    column[:5] = np.nan
    found = Sample(TASKS).estimate(column[:, None])
    assert found["a"].mean_G[0] == pytest.approx(column[5:40].mean())
    assert found["a"].prompts_G[0] == 35
    column[:40] = np.nan
    found = Sample(TASKS).estimate(column[:, None])
    assert math.isnan(found[OVERALL].mean_G[0])
    assert found["b"].mean_G[0] == pytest.approx(column[40:].mean())


def test_pooled_mean_over_the_prompts_that_have_a_value() -> None:
    column = values()
    column[::2] = np.nan
    mean, low, high = Sample(TASKS).pooled(column)
    assert mean == pytest.approx(np.nanmean(column))
    assert low < mean < high


def test_a_pooled_mean_is_as_uncertain_as_its_prompts_are_whatever_their_tasks() -> None:
    """Two or three prompts a task, tasks that differ: within their tasks they hardly vary."""
    tasks = [str(place // 3) for place in range(30)]
    column = 0.5 + (np.random.default_rng(4).normal(size=30) + np.repeat(np.arange(10) - 4.5, 3)) / 30
    column[[0, 3, 6]] = np.nan
    mean, low, high = Sample(tasks).pooled(column)
    scored = column[np.isfinite(column)]
    assert mean == pytest.approx(scored.mean())
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 26) * scored.std(ddof=1) / math.sqrt(27), rel=0.05)


def test_a_pooled_mean_has_an_interval_where_as_many_prompts_give_a_score_one() -> None:
    for tasks, least in ((1, 4), (2, 5), (6, 15)):
        for number in (least - 1, least):
            column = np.full(20 * tasks, np.nan)
            column[:number] = np.linspace(0, 1, number)
            mean, low, high = Sample([str(task) for task in range(tasks) for _ in range(20)]).pooled(column)
            assert mean == pytest.approx(0.5)
            assert np.isfinite([low, high]).all() == (number == least)


def test_one_task_needs_as_many_prompts_alone_as_among_others() -> None:
    assert [least_prompts(tasks) for tasks in (1, 2, 6)] == [4, 5, 15]
    for prompts in (3, 4):
        found = Sample(["a"] * prompts).estimate(np.arange(prompts, dtype=float)[:, None])
        assert np.isnan(found[OVERALL].low_G[0]) == np.isnan(found["a"].low_G[0]) == (prompts < 4)


def test_intervals_that_hold_together_are_those_of_the_largest_of_many() -> None:
    """Independent columns: the 95 % quantile of the largest of 20 absolute normals is 3.02, that of one 1.96."""
    columns = np.random.default_rng(2).normal(size=(400, 20))
    sample = Sample(["a"] * 400)
    together, alone = sample.together(columns), sample.together(columns[:, :1])
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
        sample = Sample(["a"] * 60)
        told += any(low > 0 for _, low, _ in sample.behind_first(columns)[1:])
        alone += (sample.estimate(columns[:, :1] - columns[:, 1:])[OVERALL].low_G > 0).any()
    assert told <= 16, "10 are expected, 16 is two standard errors above"
    assert alone > 60, "without the correction one of the seven is often 'behind'"


def test_what_is_behind_is_paired_and_the_first_is_not_behind_itself() -> None:
    base = values()
    behind = Sample(TASKS).behind_first(np.column_stack([base, base - 0.1, np.where(base > 0, 0.0, base)]))
    assert behind[0] == (0, 0, 0)
    chance = 1 - (0.025 / 3) ** (1 / 80)
    assert behind[1] == pytest.approx((0.1, 0.1 - 1.1 * chance, 0.1 + 0.9 * chance)), "three pairs; 40 and 60 prompts count as 80"
    mean, low, high = behind[2]
    assert low < mean < high
    assert Sample(TASKS).behind_first(base[:, None]) == [(0, 0, 0)]


def test_a_method_read_between_two_points_is_as_unsure_as_they_are() -> None:
    """Right everywhere at one of its points: a mean of both, taken by prompt, would vary by next to nothing."""
    first, other, all_right = values(), values(9), np.ones(100)
    sample, points = Sample(TASKS), np.column_stack([first, other, all_right])
    near = sample.behind_first(points, np.array([[1, 0, 0], [0, 0.001, 0.999]]))[1]
    at = sample.behind_first(points[:, [0, 2]])[1]
    assert near == pytest.approx(at, abs=0.002)
    middle = sample.behind_first(points, np.array([[1, 0, 0], [0, 0.5, 0.5]]))[1]
    assert middle == pytest.approx((np.array(sample.behind_first(points[:, :2])[1]) + at) / 2)


def test_no_difference_goes_beyond_how_far_scores_lie_apart() -> None:
    few_PG = np.array([[1, 0], [0, 1], *[[1, 1]] * 4, *[[0, 0]] * 4], dtype=float)
    sample = Sample(["a", "a", "b", "b", "c", "c", "c", "d", "d", "d"])
    assert sample.behind_first(few_PG, ends=Ends(0, 5))[1][2] > 1, "Student's t of one degree of freedom"
    unseen = 0.75 * (1 - 0.025 ** (1 / 6))
    assert sample.behind_first(few_PG)[1] == pytest.approx((0.0, -math.hypot(0.25, unseen), math.hypot(0.25, unseen))), "a is a quarter"


def test_a_difference_of_all_prompts_of_one_task_alone_is_not_certain() -> None:
    column = np.where(np.arange(100) < 40, 1.0, 0.0)
    told = Sample(TASKS).together(np.column_stack([column, np.ones(100), values()]))
    assert told.mean_G[:2] == pytest.approx([0.5, 1.0])
    assert (told.low_G[:2] < told.mean_G[:2] - 0.05).all()
    few = Sample(["a"] * 4 + ["b"] * 4).together(column[36:44, None])
    assert few.low_G[0] < 0 < 0.5 == few.mean_G[0], "four that turn from wrong to right are not certain"


def test_a_column_without_enough_prompts_has_no_interval_and_costs_the_others_none() -> None:
    column = values()
    few = np.where(np.arange(100) < 2, column, np.nan)
    beside, alone = Sample(TASKS).together(np.column_stack([column, few])), Sample(TASKS).together(column[:, None])
    assert np.isnan(beside.low_G[1])
    assert (beside.low_G[0], beside.high_G[0]) == pytest.approx((alone.low_G[0], alone.high_G[0]))

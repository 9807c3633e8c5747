"""How many prompts a lead would take: by reference, by simulation, and as the page says it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from reports.answer import answer
from reports.equal_compute import Comparison, ranked
from reports.load import read_runs
from reports.power import prompts_to_tell
from reports.readings import Reading
from reports.statistics import Sample
from reports.summary import Summary, summarise

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def summary(make_tables: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """Two methods on twenty prompts of one task."""
    run = make_tables(tmp_path_factory.mktemp("power") / "run", tasks=("colors",), prompts=20, searches=("random",), budgets=(28,))
    return summarise(read_runs([run]))


def compared(summary: Summary, *scores: np.ndarray | Reading) -> Comparison:
    """A comparison of methods with these scores of each prompt, or points with weights."""
    readings = (each if isinstance(each, Reading) else Reading(each[:, None]) for each in scores)
    read = dict(zip(summary.methods, readings, strict=True))
    return Comparison("nfe", 28, True, ranked(summary, read), (), len(summary.values))


def differing(lead: float, spread: float = 0.3) -> np.ndarray:
    """Twenty differences about a lead, not skewed."""
    return lead + spread * np.tile([-1.0, -0.5, 0.5, 1.0], 5)


def needed(summary: Summary, differences: np.ndarray) -> int | None:
    found = compared(summary, 0.5 + differences / 2, 0.5 - differences / 2)
    return prompts_to_tell(summary, found, found.standings[1])


@pytest.mark.parametrize("lead", [0.03, 0.08])
def test_it_is_the_number_at_which_students_interval_just_excludes_zero(summary: Summary, lead: float) -> None:
    """With the degrees of freedom of that number, not those of the few prompts at hand."""
    deviation = differing(lead).std(ddof=1)
    reference = next(n for n in range(20, 2000) if stats.t.ppf(0.975, n - 1) * deviation / n**0.5 < lead)
    assert needed(summary, differing(lead)) == reference
    of_twenty = (stats.t.ppf(0.975, 19) * deviation / lead) ** 2
    assert of_twenty > 1.05 * reference


def test_what_prompts_that_agree_leave_open_falls_as_their_number_not_as_its_root(summary: Summary) -> None:
    """Two tasks: in one a lead of half a prompt in ten, in the other no prompt differs."""
    sample = Sample(["a"] * 20 + ["b"] * 20)
    lead = np.concatenate([differing(0.2), np.zeros(20)])[:, None]
    for times in (1, 4, 9):
        told = sample.together(lead, times=times)
        error, unseen = differing(0.2).std(ddof=1) / (20 * times) ** 0.5, 1 - 0.025 ** (1 / (20 * times))
        assert told.mean_G[0] - told.low_G[0] == pytest.approx(np.hypot(stats.t.ppf(0.975, 20 * times - 1) * error, unseen) / 2)


def test_half_of_the_runs_with_so_many_prompts_tell_the_lead(summary: Summary) -> None:
    number = needed(summary, differing(0.05))
    assert number is not None
    drawn = np.random.default_rng(1).normal(0.05, differing(0).std(ddof=1), (number, 400))
    low_G = Sample(["a"] * number).together(drawn, many=1).low_G
    assert 0.4 < (low_G > 0).mean() < 0.6, "four standard errors of a half of 400"


def test_more_methods_take_more_prompts_and_a_method_read_between_points_those_of_its_points(summary: Summary) -> None:
    best, other = 0.5 + differing(0.05) / 2, 0.5 - differing(0.05) / 2
    two = compared(summary, best, other)
    between = compared(summary, best, Reading(np.column_stack([other, other]), np.array([0.3, 0.7])))
    assert prompts_to_tell(summary, between, between.standings[1]) == prompts_to_tell(summary, two, two.standings[1])
    as_of_four = Comparison("nfe", 28, True, (*two.standings, *two.standings[1:] * 2), (), 20)
    assert prompts_to_tell(summary, as_of_four, two.standings[1]) > 1.5 * prompts_to_tell(summary, two, two.standings[1])


def test_what_is_settled_or_cannot_be_told_has_no_number(summary: Summary) -> None:
    assert needed(summary, differing(0.5)) is None, "settled"
    assert needed(summary, np.where(np.arange(20) < 5, 0.2, 0.0)) is None, "five that differ have no interval"
    assert needed(summary, differing(0.004)) is None, "prints as nothing"
    assert needed(summary, differing(0.012)) is not None
    assert needed(summary, differing(0.006, 0.6)) is None, "more than a hundred times the prompts"


@pytest.mark.parametrize(("prompts", "said"), [(10, True), (2, False)])
def test_the_answer_says_what_its_leads_would_take(make_tables: MakeRun, tmp_path: Path, prompts: int, said: bool) -> None:
    found = summarise(read_runs([make_tables(tmp_path / "run", prompts=prompts, budgets=(14, 56), picture_px=12)]))
    lines = [line for line in answer(found).sentences if line.startswith("If the leads are as large as seen, telling ")]
    assert len(lines) == said
    assert all(line.endswith(f" prompts for an even chance of it ({6 * prompts} here).") and " takes about " in line for line in lines)

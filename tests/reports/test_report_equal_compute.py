"""Reading curves at equal compute, and the words made of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.compute import amounts
from reports import numbers
from reports.answer import answer
from reports.build import build_report
from reports.certainty import YES, intervals_sentence, too_few
from reports.comparison_tables import SAME, equal_tables
from reports.equal_compute import Comparison, Standing, compare, ranked
from reports.headline import NOTHING_SHARED
from reports.left_out import alone_sentences
from reports.load import read_runs
from reports.readings import Reading, common_range, read_at
from reports.same_budget import at_same_budget, shared
from reports.style import round_ticks, slug
from reports.summary import Method, Summary, summarise
from reports.verdict import score
from reports.verdict import verdict as in_words


@pytest.fixture(scope="module")
def summary(make_tables: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Summary:
    run = make_tables(tmp_path_factory.mktemp("equal") / "run", budgets=(14, 56, 224), prompts=6, picture_px=12)
    return summarise(read_runs([run]))


def test_a_measured_point_is_read_as_it_is(summary: Summary) -> None:
    for method in summary.methods:
        for _, point in summary.curve(method, "shapes-clip", "grade").iterrows():
            reading = read_at(summary, method, "flops", point["flops"], "shapes-clip")
            assert summary.sample.overall(reading.points_PN[:, 0]) == pytest.approx((point["mean"], point["low"], point["high"]))


def test_between_points_the_curve_is_linear_in_the_logarithm(summary: Summary) -> None:
    method = summary.methods[0]
    curve = summary.curve(method, "shapes-clip", "grade")
    middle = math.sqrt(curve["nfe"].iloc[0] * curve["nfe"].iloc[1])
    reading = read_at(summary, method, "nfe", middle, "shapes-clip")
    assert np.mean(reading.points_PN @ reading.weights_N) == pytest.approx(curve["mean"].iloc[:2].mean())
    assert read_at(summary, method, "nfe", curve["nfe"].max() * 1.01, "shapes-clip") is None


def test_all_methods_reach_the_common_range(summary: Summary) -> None:
    for unit in ("nfe", "flops", "seconds"):
        low, high = common_range(summary, unit, "shapes-reward")
        for amount in (low, high):
            found = compare(summary, unit, amount, "shapes-reward")
            assert len(found.standings) == len(summary.methods)
            assert found.best.behind == (0.0, 0.0, 0.0)
            assert [s.mean for s in found.standings] == sorted((s.mean for s in found.standings), reverse=True)


def test_the_answer_names_every_unit_with_numbers(summary: Summary) -> None:
    found = answer(summary)
    assert [verdict.where for verdict in found.verdicts[:3]] == ["budget of 14 NFE", "budget of 56 NFE", "budget of 224 NFE"]
    assert [verdict.where.split()[1:] for verdict in found.verdicts[3:]] == [["GFLOP", "spent"], ["s", "spent"]]
    text = " ".join(found.sentences)
    assert "36 prompts" in text
    assert "Guided by shapes-clip instead" in text
    told = [*found.shared[0].comparisons, *(each.judged for each in found.shared[1:])]
    for comparison, verdict in zip(told, found.verdicts, strict=True):
        assert (verdict.sure == YES) == all(s.behind[1] > 0 for s in comparison.standings[1:])


def test_a_method_out_of_reach_is_left_out_and_named(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("shapes-clip",)}
    most = make_tables(tmp_path / "a", budgets=(14, 56), searches=("random",), **few)
    expensive = make_tables(tmp_path / "b", budgets=(448,), searches=("beam",), models={"shapes-infinity": "ar"}, **few)
    found = answer(summarise(read_runs([most, expensive])))
    assert found.shared[0].judged.amount == 56
    assert found.sentences[-3] == "Not compared at a budget of 56 NFE: shapes-infinity + beam (given 448 NFE)."
    assert all(": shapes-infinity + beam (spent " in text for text in found.sentences[-2:])


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("better", [True, False])
def test_who_had_the_best_score_with_less_is_said_in_the_row(better: bool, make_tables: Callable[..., Path], tmp_path: Path) -> None:
    """Two methods reach an amount that random search, which was given less, does not."""
    few = {"models": {"shapes-infinity": "ar"}, "tasks": ("colors",), "prompts": 8, "verifiers": ("shapes-clip",)}
    cheap = make_tables(tmp_path / "a", budgets=(14, 28), searches=("random",), **few)
    dear = make_tables(tmp_path / "b", budgets=(112, 448), searches=("beam:width=2", "greedy"), **few)
    for run, grade in ((cheap, 0.875 if better else 0.0), (dear, 0.5)):
        scores = pd.read_parquet(run / "scores.parquet")
        right = scores["prompt_id"].astype(int) < grade * 8
        scores.assign(value=scores["value"].where(scores["metric"] != "grade", right.astype(float))).to_parquet(run / "scores.parquet")
    summary = summarise(read_runs([cheap, dear]))
    comparison = next(each.judged for each in shared(summary, "shapes-clip") if each.judged.unit == "flops")
    (end,) = (one for one in comparison.left_out if one.high < comparison.amount)
    said = in_words(summary, comparison).already
    assert said == (f"already shapes-infinity + random: 0.88 at {amounts.budget(end.high, 'flops')}" if better else "")
    page = build_report([cheap, dear], tmp_path / "report").read_text()
    for text in (page, (tmp_path / "report" / "report.md").read_text()):
        assert (said in text) if better else ("already shapes" not in text)
    assert not compare(summary, "flops", end.high, "shapes-clip").already, "who begins beyond the amount has spent more"


def test_a_budget_that_one_method_alone_was_run_under_is_named_with_it(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("shapes-clip",)}
    both = make_tables(tmp_path / "a", budgets=(14, 28), searches=("random",), **few)
    more = make_tables(tmp_path / "b", budgets=(56, 112), searches=("random",), models={"shapes-infinity": "ar"}, **few)
    found = answer(summarise(read_runs([both, more])))
    assert [one.amount for one in found.shared[0].comparisons] == [14, 28]
    said = "Only shapes-infinity + random was run under 56 NFE and 112 NFE: nothing to compare it with there."
    assert found.sentences.count(said) == 1
    assert not any("nothing to compare" in text for text in answer(summarise(read_runs([both]))).sentences)


def test_of_many_that_are_alone_under_a_budget_the_budgets_are_named(summary: Summary) -> None:
    many = {method: [f"{place} NFE", "9 NFE"] for place, method in enumerate(Method("ar", str(n), "nfe") for n in range(5))}
    assert alone_sentences(summary, many)[0].startswith("Of 6 budgets (0 NFE, 9 NFE, 1 NFE, 2 NFE, 3 NFE and 4 NFE) each was given to one")
    two = dict(list(many.items())[:2])
    said = "Only ar + 0 was run under 0 NFE and 9 NFE and ar + 1 was run under 1 NFE and 9 NFE: nothing to compare them with there."
    assert alone_sentences(summary, two) == [said]
    assert alone_sentences(summary, {}) == []


def test_methods_without_a_common_amount_are_not_compared(
    make_tables: Callable[..., Path], tmp_path: Path
) -> None:
    cheap = make_tables(tmp_path / "a", models={"shapes-infinity": "ar"}, budgets=(14,), searches=("random",), tasks=("colors",))
    expensive = make_tables(tmp_path / "b", models={"shapes-flux": "diffusion"}, budgets=(112,), searches=("random",), tasks=("colors",))
    found = answer(summarise(read_runs([cheap, expensive])))
    assert found.headline == NOTHING_SHARED
    assert not found.verdicts


def test_a_comparison_of_one_model_alone_says_whose_methods_these_are(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("shapes-clip",)}
    own = make_tables(tmp_path / "a", models={"shapes-infinity": "ar"}, budgets=(14, 56), searches=("random", "beam"), **few)
    far = make_tables(tmp_path / "b", models={"shapes-flux": "diffusion"}, budgets=(448, 896), searches=("random",), **few)
    found = answer(summarise(read_runs([own, far])))
    assert all("2 of 3 methods, all of shapes-infinity" in verdict.spent for verdict in found.verdicts)
    assert not any("all of" in verdict.spent for verdict in answer(summarise(read_runs([own]))).verdicts)


def test_one_budget_is_compared_though_methods_spend_different_parts_of_it(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    """14 steps of 20 against 12: no amount is spent by both, and both were given the same."""
    run = make_tables(tmp_path / "run", budgets=(20,), searches=("random",), tasks=("colors",), verifiers=("shapes-clip",), prompts=8)
    summary = summarise(read_runs([run]))
    assert [len(compare(summary, "nfe", amount, "shapes-clip").standings) for amount in (12, 14)] == [1, 1]
    found = answer(summary)
    means = {s.method.model: s.mean for s in found.shared[0].judged.standings}
    scores = read_runs([run]).scores.query("metric == 'grade'").groupby("model")["value"].mean()
    assert means == pytest.approx(scores.to_dict())
    assert "nder a budget of 20 NFE per prompt" in found.headline
    assert found.verdicts[0].spent == "12 to 14 NFE spent"


def test_budgets_are_measured_and_what_is_read_between_points_is_marked(summary: Summary) -> None:
    by_budget = at_same_budget(summary, "shapes-clip")
    assert [one.amount for one in by_budget] == [14, 56, 224]
    for one in by_budget:
        for standing in one.standings:
            curve = summary.curve(standing.method, "shapes-clip", "grade").set_index("budget")
            assert not standing.interpolated
            assert standing.mean == pytest.approx(curve.loc[one.amount, "mean"])
    between = 0
    for each in shared(summary, "shapes-clip")[1:]:
        for standing in each.judged.standings:
            spent = summary.curve(standing.method, "shapes-clip", "grade")[each.judged.unit]
            assert standing.interpolated == (not np.isclose(spent, each.judged.amount).any())
            assert score(standing).startswith("≈") == standing.interpolated
            between += standing.interpolated
        some = any(standing.interpolated for standing in each.judged.standings)
        assert in_words(summary, each.judged).spent == ("some interpolated" if some else "")
    assert between


def test_runs_with_other_budgets_are_compared_by_what_they_spent(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("shapes-clip",)}
    one = make_tables(tmp_path / "a", budgets=(28, 84), models={"shapes-infinity": "ar"}, searches=("random", "beam"), **few)
    other = make_tables(tmp_path / "b", budgets=(24, 120), models={"shapes-flux": "diffusion"}, searches=("random",), **few)
    found = answer(summarise(read_runs([one, other])))
    assert at_same_budget(summarise(read_runs([one, other])), "shapes-clip"), "two methods of one model share budgets"
    assert not found.shared[0].judged.same_budget
    assert {s.method.model for s in found.shared[0].judged.standings} == {"shapes-infinity", "shapes-flux"}


def test_few_prompts_are_said_to_be_few_and_how_many_it_takes(
    summary: Summary, make_tables: Callable[..., Path], tmp_path: Path
) -> None:
    assert too_few(summary) == ""
    assert intervals_sentence(summary).startswith("Brackets")
    run = make_tables(tmp_path / "run", budgets=(14,), tasks=("colors", "counting"), prompts=1, searches=("random",))
    found = answer(summarise(read_runs([run])))
    said = "No intervals, and no difference here is settled: 2 prompts are too few (at least 5)."
    assert f"{said} Run it with --prompts 5 or more (make: PROMPTS=5)." in found.sentences
    manifest = json.loads((run / "manifest.json").read_text())
    for change, more in (
        ({"tasks": [*map(str, range(6))], "prompts_total": 15}, "Run it with --prompts 15 or more (make: PROMPTS=15)."),
        ({"prompts_total": 4}, "The suite has 4 prompts and intervals take 5."),
    ):
        (run / "manifest.json").write_text(json.dumps(manifest | {"suite": manifest["suite"] | change}))
        assert f"{said} {more}" in answer(summarise(read_runs([run]))).sentences
    assert found.headline.startswith("Cannot tell: ")
    assert {verdict.sure for verdict in found.verdicts} == {"too few prompts to tell"}


@pytest.mark.parametrize(("low", "high"), [(13, 16), (10, 1000), (0.3, 4e6), (1e9, 6e10), (99, 101)])
def test_round_ticks_are_few_and_inside(low: float, high: float) -> None:
    ticks = round_ticks(low, high)
    assert 1 <= len(ticks) <= 6
    assert all(low <= tick <= high for tick in ticks)


def test_numbers_in_words() -> None:
    assert amounts.amount(1.23e9, "flops") == "1.23 GFLOP"
    assert amounts.amount(0.012, "seconds") == "12 ms"
    assert amounts.amount(112.0, "nfe") == "112"
    assert amounts.budget(1e10, "flops") == "10 GFLOP"
    assert amounts.budget(60, "nfe") == "60 NFE"
    assert amounts.budget(1, "images") == "1 image"
    assert amounts.budgets([6, 24], "nfe") == "6, 24 NFE"
    assert amounts.budgets([8e8, 1.3e10], "flops") == "800 MFLOP, 13 GFLOP"
    assert amounts.budgets([0.5], "seconds") == "0.5 s"
    assert amounts.between(210, 216, "nfe") == "210 to 216 NFE"
    assert amounts.between(0.05, 0.2, "seconds") == "50 ms to 0.2 s"
    flops, seconds = amounts.Scale.of([8.51e8, 1.93e9, math.nan], "flops"), amounts.Scale.of([0.19, 0.0964], "seconds")
    assert [flops.unit, *map(flops.written, (8.51e8, 1.93e9, math.nan))] == ["GFLOP", "0.851", "1.93", "–"]
    assert [seconds.unit, *map(seconds.written, (0.0964, 0.19))] == ["ms", "96.4", "190"]
    assert amounts.Scale.of([], "seconds").unit == "s"
    assert numbers.score(0.712, 0.6, 0.8) == "0.71 [0.60, 0.80]"
    assert numbers.score(0.5) == "0.50"
    shares = (0, 1e-4, 0.004, 0.006, 0.994, 0.997, 1 - 1e-12, 1, math.nan)
    assert [*map(numbers.share, shares)] == ["0 %", "under 1 %", "under 1 %", "1 %", "99 %", "over 99 %", "100 %", "100 %", "–"]
    assert numbers.score(math.nan) == "–"
    assert numbers.difference(-0.101, -0.2, 0.001) == "−0.101 [−0.200, +0.001]"
    assert numbers.difference(-0.101, -0.2, 0.006) == "−0.10 [−0.20, +0.01]"
    assert numbers.difference(0.0475, 0.0042, 0.0908) == "+0.048 [+0.004, +0.091]"
    assert numbers.difference(0.004, math.nan, math.nan) == "+0.004"
    assert numbers.difference(0.0, -0.19, 1e-12) == "0.00 [−0.19, 0.00]"
    assert numbers.ends(-0.0004, 0.1) == "[−0.0004, +0.1000]"
    assert slug("../Ä b/<x>") == "b-x"


@pytest.mark.parametrize(("behind", "same"), [(0.004, True), (0.006, False)])
def test_what_prints_the_same_and_cannot_be_told_is_the_same_score_at_budgets_and_at_amounts(behind: float, same: bool) -> None:
    def standing(mean: float, low: float = math.nan) -> Standing:
        behind, reading = (0.833 - mean, low, math.nan), Reading(np.full((6, 1), mean))
        return Standing(Method("ar", "random", "nfe"), mean, math.nan, math.nan, behind, reading)

    for same_budget in (True, False):
        comparison = Comparison("nfe", 60, same_budget, (standing(0.833), standing(0.833 - behind)), (), 6)
        assert (len(comparison.leaders) == 2) == same
    told = Comparison("nfe", 60, False, (standing(0.833), standing(0.833 - behind, low=0.001)), (), 6)
    assert len(told.leaders) == 1, "what is settled is no tie"


@pytest.mark.usefixtures("without_figures")
def test_a_tie_is_shown_with_the_interval_of_its_difference(make_run: Callable[..., Path], tmp_path: Path) -> None:
    """Two methods that are right on the same number of prompts of each task, and on other ones."""
    run = make_run(tmp_path / "run", searches=("random",), budgets=(56,), prompts=6, verifiers=("shapes-clip",), picture_px=12)
    scores = pd.read_parquet(run / "scores.parquet")
    odd = (scores["prompt_id"].astype(int) + (scores["model"] == "shapes-flux")) % 2
    scores.assign(value=scores["value"].where(scores["metric"] != "grade", odd.astype(float))).to_parquet(run / "scores.parquet")
    summary = summarise(read_runs([run]))
    found = answer(summary)
    low, high = found.shared[0].judged.standings[1].behind[1:]
    assert low < -0.1 < 0.1 < high
    ends = numbers.ends(low, high)
    page = build_report([run], tmp_path / "report").read_text().replace("\u00a0", " ")
    assert page.count(f"same score {ends}") >= 1
    assert f"apart by {ends} at 95" in page
    rows = equal_tables(summary, "shapes-clip", found.shared)[0].rows
    assert [(row["to the highest"], row["verdict"]) for row in rows] == [("–", SAME), (f"0.00 {ends}", SAME)]


def test_of_methods_that_are_as_far_behind_the_hardest_to_tell_comes_first(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    summary = summarise(read_runs([make_tables(tmp_path / "run", budgets=(56,), prompts=10, picture_px=12)]))
    best, steady, loose = summary.methods[:3]
    half = np.arange(len(summary.values)) % 2
    read = {best: np.ones(60), steady: 0.5 + 0.1 * (half - 0.5), loose: half.astype(float)}
    for order in ([best, steady, loose], [loose, best, steady]):
        found = ranked(summary, {method: Reading(read[method][:, None]) for method in order})
        assert [standing.method for standing in found] == [best, loose, steady]
        assert found[1].behind[0] == pytest.approx(found[2].behind[0])
        assert found[1].behind[1] < found[2].behind[1]

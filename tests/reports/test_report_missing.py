"""Searches that returned no image for some prompts: never better for it, and never gone without a word."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.blank import NO_NUMBERS
from reports.answer import answer
from reports.comparable import most_pairs
from reports.comparison_tables import equal_tables, paired_table
from reports.equal_compute import compare
from reports.headline import NO_SCORES
from reports.load import read_runs
from reports.notes import notes
from reports.overoptimised import overoptimised_table
from reports.reliability import cross_table
from reports.summary import Summary, summarise
from reports.tables import results_table
from results.schema import TABLES

VERIFIER = "shapes-reward"
BEAM = "beam:width=2"
LACKING = f"Not compared at a budget of 56 s: shapes-infinity + {BEAM}"


@pytest.fixture
def deadlines(make_tables: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A run of two searches under seconds; beam returned nothing under `budget` for the `empty` prompts (by place)."""

    def make(empty: Collection[int], budget: float = 56, failed: Collection[int] = (), **fields: object) -> Path:
        run = make_tables(
            tmp_path / "run", models={"shapes-infinity": "ar"}, verifiers=(VERIFIER,),
            **{"searches": ("random", BEAM), "budgets": (56,), "tasks": ("counting", "colors"), "prompts": 6, "picture_px": 12}
            | fields,
        )  # fmt: skip
        for name in TABLES:
            table = pd.read_parquet(run / f"{name}.parquet").assign(budget_unit="seconds")
            of_beam = (table["search"] == BEAM) & (table["budget"] == budget)
            none = of_beam & table["prompt_id"].isin([f"{place:05d}" for place in empty])
            if name == "selections":
                table.loc[none, ["candidate", "image", "score", "considered"]] = "", "", np.nan, 0
            if name == "scores":
                table.loc[none, ["value", "reason"]] = np.nan, "no finished candidate within the budget"
                ungraded = of_beam & (table["metric"] == "grade") & table["prompt_id"].isin([f"{place:05d}" for place in failed])
                table.loc[ungraded, ["value", "reason"]] = np.nan, "the grader found no scene"
            table.to_parquet(run / f"{name}.parquet")
        return run

    return make


def summary(run: Path) -> Summary:
    return summarise(read_runs([run]))


def overall(found: Summary, metric: str, search: str = BEAM) -> dict[str, float]:
    points = found.points[(found.points["metric"] == metric) & (found.points["task"] == "overall")]
    return dict(points[points["search"] == search].iloc[0])


def test_nothing_returned_is_not_right_and_a_grader_that_failed_is_no_verdict(deadlines: Callable[..., Path]) -> None:
    run = deadlines(empty=(0, 1, 7), failed=(2,))
    found = summary(run)
    scores = pd.read_parquet(run / "scores.parquet").query("metric == 'grade' and search == @BEAM")
    assert scores["value"].isna().sum() == 4, "the table on disk keeps them"
    expected = scores.assign(value=scores["value"].mask(scores["reason"].str.startswith("no finished"), 0.0))
    point = overall(found, "grade")
    assert point["mean"] == pytest.approx(expected.groupby("task")["value"].mean().mean())
    assert (point["prompts"], point["unscored"], point["nothing"]) == (11, 1, 3)
    table = results_table(found, VERIFIER, "results")
    gaps = {row["search"]: (row["nothing returned"], row["unscored"]) for row in table.rows}
    assert gaps == {"random": ("0", "0"), BEAM: ("3 of 12", "1")}
    assert "which is not right and counts as wrong" in table.caption
    assert "left out of the means (the grader found no scene)" in table.caption
    note = next(note for note in notes(found) if "returned no image" in note)
    assert note.startswith("3 of 24 searches returned no image within their budget. Nothing returned counts as wrong")


def test_a_mean_by_a_verifier_says_on_how_many_prompts_it_stands(deadlines: Callable[..., Path]) -> None:
    found = summary(deadlines(empty=(0, 1, 7)))
    scores = found.runs.scores.query("metric == @VERIFIER and search == @BEAM")
    assert overall(found, VERIFIER)["mean"] == pytest.approx(scores.groupby("task")["value"].mean().mean())
    cells = {row["search"]: row[f"{VERIFIER} score"] for row in cross_table(found).rows}
    assert cells[BEAM].endswith(" over 9 of 12")
    assert " over " not in cells["random"]


def test_nothing_but_no_numbers_is_nothing_returned_and_what_could_not_be_scored_is_not(deadlines: Callable[..., Path]) -> None:
    run = deadlines(empty=(0,))
    for name in ("selections", "scores"):
        table = pd.read_parquet(run / f"{name}.parquet")
        for place, why in ((1, NO_NUMBERS), (2, "the text is too long")):
            of_it = (table["search"] == BEAM) & (table["prompt_id"] == f"{place:05d}")
            if name == "selections":
                table.loc[of_it, ["candidate", "image", "score"]] = "", "", np.nan
            else:
                table.loc[of_it, ["value", "reason"]] = np.nan, f"no candidate could be scored: {why}"
        table.to_parquet(run / f"{name}.parquet")
    found = summary(run)
    point = overall(found, "grade")
    assert (point["prompts"], point["unscored"], point["nothing"]) == (11, 1, 2)
    assert found.values["grade"].xs(BEAM, axis=1, level="search").iloc[:3, 0].fillna(-1).tolist() == [0, 0, -1]
    said = " ".join(notes(found))
    assert "2 of 24 searches returned no image within their budget, 1 of them because all that the model drew is no numbers (NaN)." in said


def test_what_was_not_returned_has_fooled_no_verifier(deadlines: Callable[..., Path]) -> None:
    """The change from one budget to another is over prompts that have an image at both."""
    found = summary(deadlines(empty=(0, 1, 7), budgets=(56, 112)))
    grades = found.runs.scores.query("metric == 'grade' and search == @BEAM")
    grades = grades.pivot(index=["task", "prompt_id"], columns="budget", values="value")
    expected = (grades[112] - grades[56]).groupby("task").mean().mean()
    table = overoptimised_table(found).frame.set_index("search")
    assert table.loc[BEAM, "truth"] == pytest.approx(expected)


def test_the_best_budget_is_that_of_the_best_images_and_the_change_since_is_paired(deadlines: Callable[..., Path]) -> None:
    """With what was not returned as wrong a budget under which much came too late would be bad for its images."""
    run = deadlines(empty=(0, 1, 7), budgets=(56, 112))
    scores = pd.read_parquet(run / "scores.parquet")
    graded = (scores["search"] == BEAM) & (scores["metric"] == "grade") & scores["value"].notna()
    scores.loc[graded, "value"] = ((scores["budget"] == 56) | ~scores["prompt_id"].isin(["00005", "00011"])).astype(float)
    scores.to_parquet(run / "scores.parquet")
    row = overoptimised_table(summary(run)).frame.set_index("search").loc[BEAM]
    assert (row["best_budget"], row["truth_since_best"]) == (56, pytest.approx((-1 / 4 - 1 / 5) / 2)), "with 3 of 12 wrong it would be 112"


def test_a_run_without_a_grader_gets_no_verdict(deadlines: Callable[..., Path]) -> None:
    found = summary(deadlines(empty=(0,), truth=False))
    assert found.truth == VERIFIER
    assert "grader’s share" not in " ".join(notes(found))


def test_a_task_that_nobody_could_grade_gets_no_verdict(deadlines: Callable[..., Path]) -> None:
    run = deadlines(empty=(0, 7))
    scores = pd.read_parquet(run / "scores.parquet")
    scores.loc[(scores["task"] == "colors") & (scores["metric"] == "grade"), "value"] = np.nan
    scores.to_parquet(run / "scores.parquet")
    grades = summary(run).values["grade"].xs(BEAM, axis=1, level="search").iloc[:, 0]
    assert grades["colors"].isna().all()
    assert grades["counting"].notna().all()
    assert grades["counting", "00000"] == 0


def test_a_run_without_a_grader_gets_no_verdict_by_another_run_that_has_one(
    deadlines: Callable[..., Path], make_tables: Callable[..., Path], tmp_path: Path
) -> None:
    ungraded = deadlines(empty=(0, 7), truth=False)
    scores = pd.read_parquet(ungraded / "scores.parquet")
    pd.concat([scores, scores.assign(metric="grade", value=np.nan)]).to_parquet(ungraded / "scores.parquet")
    fields = {"tasks": ("counting", "colors"), "prompts": 6, "verifiers": (VERIFIER,), "searches": ("random",), "budgets": (56,)}
    graded = make_tables(tmp_path / "graded", models={"shapes-flux": "diffusion"}, picture_px=12, **fields)
    values = summarise(read_runs([ungraded, graded])).values["grade"]
    assert values.xs("shapes-infinity", axis=1, level="model").isna().all(axis=None)
    assert values.xs("shapes-flux", axis=1, level="model").notna().all(axis=None)


def test_methods_are_compared_by_a_verifier_on_the_prompts_that_all_have(deadlines: Callable[..., Path]) -> None:
    found = summary(deadlines(empty=(0, 1, 7), truth=False))
    told = answer(found)
    scores = found.runs.scores.query("metric == @VERIFIER").pivot(index=["task", "prompt_id"], columns="search", values="value").dropna()
    means = scores.groupby("task").mean().mean()
    comparison = told.shared[0].judged
    assert comparison.prompts == 9
    assert {standing.method.search: standing.mean for standing in comparison.standings} == pytest.approx(means.to_dict())
    first, second = comparison.standings
    assert second.behind[0] == pytest.approx(first.mean - second.mean), "a difference is that of the means beside it"
    assert told.verdicts[0].spent.endswith("on 9 of 12 prompts")
    table = equal_tables(found, VERIFIER, told.shared)[0]
    assert {row["prompts"] for row in table.rows} == {"9 of 12"}


def test_a_prompt_that_lacks_a_seed_is_compared_with_nobody(deadlines: Callable[..., Path]) -> None:
    """On its other seed, the easier one, it would stand for the method that missed the deadline and for no other."""
    run = deadlines(empty=(), truth=False, seeds=(0, 1))
    scores = pd.read_parquet(run / "scores.parquet")
    late = (scores["search"] == BEAM) & (scores["seed"] == 1) & scores["prompt_id"].isin(["00000", "00001", "00007"])
    scores.loc[late, "value"] = np.nan
    scores.to_parquet(run / "scores.parquet")
    found = summary(run)
    assert overall(found, VERIFIER)["prompts"] == 12, "a mean of its own has all that there is"
    each = scores[(scores["metric"] == VERIFIER) & ~scores["prompt_id"].isin(scores.loc[late, "prompt_id"])]
    means = each.groupby(["search", "task", "prompt_id"])["value"].mean().groupby(["search", "task"]).mean().groupby("search").mean()
    told = answer(found).shared[0].judged
    assert told.prompts == 9
    assert {standing.method.search: standing.mean for standing in told.standings} == pytest.approx(means.to_dict())
    assert paired_table(found).frame["difference"].tolist() == pytest.approx([means[BEAM] - means["random"]])


def test_few_scores_are_not_said_to_be_few_prompts(deadlines: Callable[..., Path]) -> None:
    found = summary(deadlines(empty=(0, 1, 2, 3, 4), truth=False))
    assert "but only 7 of 12 prompts have a score of every method, too few to tell." in answer(found).headline


def test_a_method_without_a_mean_is_named_with_what_it_lacks(deadlines: Callable[..., Path]) -> None:
    told = answer(summary(deadlines(empty=range(6), truth=False)))
    assert told.headline == NO_SCORES
    assert f"{LACKING} (nothing within the deadline for 6 of 12 prompts)." in told.sentences


def test_an_amount_that_nothing_came_in_is_named_too(deadlines: Callable[..., Path]) -> None:
    told = answer(summary(deadlines(empty=range(12), budgets=(56, 112), truth=False)))
    assert told.verdicts[0].where == "budget of 112 s"
    assert told.sentences[-1] == f"{LACKING} (nothing within the deadline for 12 of 12 prompts)."


def test_whoever_has_least_is_left_out_where_that_makes_more_pairs() -> None:
    every = frozenset(range(6))
    assert most_pairs({"a": every, "b": frozenset((4, 5)), "c": every}) == (["a", "c"], every)
    assert most_pairs({"a": every, "b": frozenset((2, 3, 4, 5)), "c": every}) == (["a", "b", "c"], frozenset((2, 3, 4, 5)))
    assert most_pairs({"a": frozenset((1, 2)), "b": frozenset((3,))}) == (["a"], frozenset((1, 2)))
    assert most_pairs({"a": frozenset(), "b": frozenset()}) == ([], frozenset())


def test_whoever_has_most_is_left_out_where_the_others_have_nothing_in_common_with_it() -> None:
    one, two, three = frozenset((1, 2)), frozenset((3, 4)), frozenset((5, 6, 7))
    assert most_pairs({"a": one, "b": two, "c": two}) == (["b", "c"], two)
    assert most_pairs({"a": three, "b": one | {8}, "c": one | {9}}) == (["b", "c"], one)
    assert most_pairs({"a": three, "b": one, "c": one}, whole=lambda some: bool(some & three)) == (["a"], three)


def test_a_method_left_out_at_an_amount_lacks_what_it_lacks_there(deadlines: Callable[..., Path]) -> None:
    empty = (*range(5), *range(6, 11))
    found = summary(deadlines(empty, searches=("random", BEAM, "greedy"), budgets=(28, 56, 112), truth=False))
    method = next(method for method in found.methods if method.search == BEAM)
    spent = dict(found.curve(method, VERIFIER, VERIFIER).set_index("budget")["nfe"])
    for amount, why in ((spent[56], "scores for 2 of 12 prompts"), (1.1 * spent[112], "")):
        comparison = compare(found, "nfe", amount, VERIFIER)
        assert {left.method: left.why for left in comparison.left_out}[method] == why

"""How far to trust a verifier: planted over-optimisation is found, and the tables equal sums done by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.load import read_runs
from reports.overoptimised import overoptimised_table
from reports.reliability import NOT_SEARCHED, cross_table, reliability_table
from reports.summary import Summary, summarise
from reports.trust import trust_table

MakeRun = Callable[..., Path]
BUDGETS = (7, 28, 112)


@pytest.fixture
def run(make_tables: MakeRun, tmp_path: Path) -> Path:
    return make_tables(
        tmp_path / "run", models={"shapes-infinity": "ar"}, searches=("random",), budgets=BUDGETS, prompts=6,
        verifiers=("shapes-reward", "shapes-clip"),
    )  # fmt: skip


def planted(run: Path, grade: Callable[[pd.DataFrame], np.ndarray]) -> Summary:
    """The run with scores that rise with the budget, and with grades as given."""
    path = run / "scores.parquet"
    scores = pd.read_parquet(path)
    noise = np.random.default_rng(0).normal(0, 0.05, len(scores))
    scores["value"] = np.where(scores["metric"] == "grade", grade(scores), np.log(scores["budget"]) + noise)
    scores.to_parquet(path)
    return summarise(read_runs([run]))


def verdicts(summary: Summary) -> set[str]:
    return set(overoptimised_table(summary).frame["verdict"])


def test_planted_over_optimisation_is_found(run: Path) -> None:
    coin = np.random.default_rng(1).random(10_000)
    falling = planted(run, lambda scores: (coin[: len(scores)] < 1 - np.log(scores["budget"]) / 5).astype(float))
    frame = overoptimised_table(falling).frame
    assert set(frame["verdict"]) == {"score rises, truth falls"}
    assert frame["score"].to_numpy() == pytest.approx(np.full(2, np.log(112 / 7)), abs=0.1)
    assert (frame["truth_since_best"] < -0.2).all()
    assert (frame["best_budget"] < 112).all()


def test_a_verifier_that_helps_and_one_that_does_not(run: Path) -> None:
    coin = np.random.default_rng(1).random(10_000)
    assert verdicts(planted(run, lambda scores: (coin[: len(scores)] < np.log(scores["budget"]) / 5).astype(float))) == {"both rise"}
    level = overoptimised_table(planted(run, lambda scores: np.ones(len(scores))))
    assert set(level.frame["verdict"]) == {"score rises, truth not clearly"}
    assert "Where the truth does not clearly change there may be nothing left to win" in level.caption, "that is no over-optimisation"


def test_a_change_that_is_alike_by_task_is_not_certain(run: Path) -> None:
    """All prompts of one task change alike and no other does: no task varies within itself."""

    def one_task(scores: pd.DataFrame) -> np.ndarray:
        return np.where((scores["task"] == "colors") & (scores["budget"] == min(BUDGETS)), 0.0, 1.0)

    table = overoptimised_table(planted(run, one_task))
    assert {row["right by the grader"] for row in table.rows} == {"+0.17 [−0.02, +0.26]"}
    assert set(table.frame["verdict"]) == {"score rises, truth not clearly"}
    assert verdicts(planted(run, lambda scores: 1 - one_task(scores))) == {"score rises, truth not clearly"}


def test_scores_that_do_not_rise_are_no_finding(run: Path) -> None:
    path = run / "scores.parquet"
    scores = pd.read_parquet(path)
    for rise, said in ((0.0, "score does not clearly rise"), (-0.01, "score falls")):
        moved = 0.5 + rise * scores["budget"]
        scores.assign(value=np.where(scores["metric"] == "grade", 1.0, moved)).to_parquet(path)
        assert verdicts(summarise(read_runs([run]))) == {said}


def test_cross_table_holds_the_means_by_hand(run: Path) -> None:
    summary = summarise(read_runs([run]))
    table = cross_table(summary)
    assert [row["guided by"] for row in table.rows] == [NOT_SEARCHED, "shapes-reward", "shapes-clip"]
    scores = pd.read_parquet(run / "scores.parquet")
    for guide, budget, verifier in ((NOT_SEARCHED, 7, "shapes-reward"), ("shapes-clip", 112, "shapes-clip")):
        for metric in ("grade", "shapes-reward", "shapes-clip"):
            known = (scores["verifier"] == verifier) & (scores["budget"] == budget) & (scores["metric"] == metric)
            expected = scores[known].groupby("task")["value"].mean().mean()
            found = table.frame[(table.frame["guide"] == guide) & (table.frame["metric"] == metric)]["mean"]
            assert found.tolist() == pytest.approx([expected])


def test_accuracy_and_price_by_hand(run: Path) -> None:
    summary = summarise(read_runs([run]))
    trust = trust_table(summary)
    candidates = pd.read_parquet(run / "candidates.parquet")
    mine = candidates[candidates["verifier"] == "shapes-reward"]
    mine = mine.drop_duplicates(["prompt_id", "candidate", "step", "score"])
    by_prompt: dict[str, list[tuple[float, float]]] = {}
    for (prompt, _), pool in mine.groupby(["prompt_id", "budget"]):
        if pool["truth"].nunique() == 2:
            best = pool.sort_values("score")["truth"].iloc[-1]
            by_prompt.setdefault(str(prompt), []).append((best, pool["truth"].mean()))
    best, chance = np.mean([np.mean(pools, axis=0) for pools in by_prompt.values()], axis=0)
    row = trust.frame[trust.frame["verifier"] == "shapes-reward"].iloc[0]
    assert (row["best"], row["chance"]) == pytest.approx((best, chance))
    assert best > chance
    assert "a prompt's pools are averaged first and then prompts" in trust.caption

    cost = reliability_table(summary, trust).frame.set_index("verifier").loc["shapes-reward"]
    assert cost["seconds"] == pytest.approx(0.004)
    assert cost["flops"] == pytest.approx(60e6)
    assert cost["within"] == pytest.approx(row["within"])


def test_a_pool_holds_all_images_that_were_chosen_from_and_no_image_counts_twice(run: Path) -> None:
    """Two runs of random search that grew to 16 images, from 4 under one budget and from 8 under the same number of another unit."""
    path = run / "candidates.parquet"
    table = pd.read_parquet(path)
    large = table[table["budget"] == 112].assign(budget=16.0)
    small, other = (large[large["order"] < size].assign(budget=4.0) for size in (4, 8))
    others = pd.concat([large, other]).assign(budget_unit="images")
    pd.concat([small, large, others.assign(score=others["score"] + 0.001)]).to_parquet(path)
    row = trust_table(summarise(read_runs([run]))).frame.set_index("verifier").loc["shapes-reward"]
    mine = large[large["verifier"] == "shapes-reward"]
    pools = [(prompt, pool[pool["order"] < size]) for prompt, pool in mine.groupby("prompt_id") for size in (4, 8, 16, 16)]
    best: dict[str, list[float]] = {}
    for prompt, pool in pools:
        if pool["truth"].nunique() == 2:
            best.setdefault(str(prompt), []).append(pool.loc[pool["score"].idxmax(), "truth"])
    assert row["best"] == pytest.approx(np.mean([np.mean(each) for each in best.values()]))
    assert row["images"] == 2 * len(mine)
    assert row["grade"] == pytest.approx(mine["truth"].mean())


def test_the_price_of_an_image_holds_nothing_else(make_tables: MakeRun, tmp_path: Path) -> None:
    """Neither the prompt's text pass nor what searches that compare pictures are charged with the verifier's work."""
    run = make_tables(tmp_path / "run", models={"shapes-infinity": "ar"}, searches=("random", "tts-var"), verifiers=("shapes-reward",))
    path = run / "selections.parquet"
    selections = pd.read_parquet(path)
    text, features = 7_000_000, np.where(selections["search"] == "random", 0, 500_000_000)
    selections.assign(
        verifier_flops=selections["verifier_flops"] + text + features, verifier_seconds=selections["verifier_seconds"] + features * 1e-9
    ).to_parquet(path)
    summary = summarise(read_runs([run]))
    cost = reliability_table(summary, trust_table(summary)).frame.set_index("verifier").loc["shapes-reward"]
    assert (cost["flops"], cost["seconds"]) == pytest.approx((60e6, 0.004))


def test_without_the_truth_there_is_nothing_to_say(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", truth=False, searches=("random",), budgets=(28,), tasks=("colors",), verifiers=("clip",))
    summary = summarise(read_runs([run]))
    assert not overoptimised_table(summary).rows
    (row, *_) = reliability_table(summary, trust_table(summary)).rows
    assert row["AUROC within a prompt"] == "–"


def test_one_image_without_search_is_one_row_whatever_budgets_buy_it(make_tables: MakeRun, tmp_path: Path) -> None:
    """14 and 21 function evaluations buy one image of 12 steps: the row is that of the smaller."""
    flux = {"models": {"shapes-flux": "diffusion"}, "searches": ("random",), "tasks": ("colors",)}
    table = cross_table(summarise(read_runs([make_tables(tmp_path / "run", budgets=(14, 21, 56), **flux)])))
    assert next((row["guided by"], row["budget"]) for row in table.rows) == ("no search", "14 NFE")
    assert len(table.rows) == 3

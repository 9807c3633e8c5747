"""What a page says where an interval cannot be made, or only of some pairs of methods."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.answer import BRACKETS, answer
from reports.certainty import NOT_SEPARABLE, TOO_FEW, YES, has_intervals, intervals_sentence
from reports.comparison_tables import equal_tables, paired_table
from reports.curves import main_figure
from reports.equal_compute import Comparison, Standing, compare
from reports.load import read_runs
from reports.numbers import NOTHING
from reports.overoptimised import overoptimised_table
from reports.power import outlook
from reports.readings import Reading
from reports.same_budget import shared
from reports.summary import Method, Summary, summarise
from reports.tables import results_table, spent_table
from reports.verdict import verdict, without_interval

MakeRun = Callable[..., Path]
Grade = Callable[[pd.DataFrame], np.ndarray]


@pytest.fixture
def graded(make_tables: MakeRun, tmp_path: Path) -> Callable[[Grade], Summary]:
    """A run of eight prompts of each of two tasks, whose grades are what a function makes of the rows."""

    def made(grade: Grade) -> Summary:
        wanted = {"searches": ("random",), "verifiers": ("shapes-clip",), "tasks": ("colors", "counting"), "budgets": (14, 28, 56)}
        run = make_tables(tmp_path / "run", prompts=8, picture_px=12, **wanted)
        scores = pd.read_parquet(run / "scores.parquet")
        scores.assign(value=np.where(scores["metric"] == "grade", grade(scores), scores["value"])).to_parquet(run / "scores.parquet")
        return summarise(read_runs([run]))

    return made


def coin(rows: pd.DataFrame) -> np.ndarray:
    return (np.random.default_rng(1).random(len(rows)) < 0.5).astype(float)


def flat_at_28(rows: pd.DataFrame) -> np.ndarray:
    """Of shapes-flux under the middle budget every prompt of a task scores the same."""
    flat = (rows["model"] == "shapes-flux") & (rows["budget"] == 28)
    return np.where(flat, (rows["task"] == "colors").astype(float), coin(rows))


def test_a_reading_beside_a_point_where_nothing_varies_is_as_unsure_as_that(graded: Callable[[Grade], Summary]) -> None:
    """All right or all wrong by task under the middle budget: next to it the interval is its own, not one of no width."""
    summary = graded(flat_at_28)
    flux = next(method for method in summary.methods if method.model == "shapes-flux")
    curve = summary.curve(flux, "shapes-clip", "grade").set_index("budget")
    for amount, interpolated in ((curve["nfe"][28] * 0.999, True), (curve["nfe"][28], False), (curve["nfe"][28] * 1.001, True)):
        found = compare(summary, "nfe", amount, "shapes-clip")
        mine = next(standing for standing in found.standings if standing.method == flux)
        assert mine.interpolated == interpolated
        assert (mine.low, mine.high) == pytest.approx(tuple(curve.loc[28, ["low", "high"]]), abs=0.01)
        assert mine.high - mine.low > 0.3
        assert verdict(summary, found).sure == NOT_SEPARABLE


def test_all_right_or_all_wrong_is_not_certain_and_has_its_interval_everywhere(graded: Callable[[Grade], Summary]) -> None:
    """Sixteen of sixteen: 0.79 to 1, by task 0.63 to 1; the lead of all is settled, and not by an interval of no width."""
    summary = graded(lambda rows: (rows["model"] == "shapes-flux").astype(float))
    assert has_intervals(summary)
    assert f"{intervals_sentence(summary)} {BRACKETS}" in answer(summary).sentences
    told = "best is shapes-flux + random: 1.00 [0.79, 1.00], +1.00 [+0.59, +1.00] over shapes-infinity + random."
    assert told in answer(summary).headline
    frame = equal_tables(summary, "shapes-clip", shared(summary, "shapes-clip"))[0].frame
    assert frame["behind"].isin([0, 1]).all()
    assert (frame["behind_low"].isna() == (frame["behind"] == 0)).all(), "the best is not behind itself"
    assert results_table(summary, "shapes-clip", "results").rows[0]["colors"] in ("1.00 [0.63, 1.00]", "0.00 [0.00, 0.37]")


def test_a_band_is_drawn_also_where_nothing_varies(graded: Callable[[Grade], Summary]) -> None:
    axes = main_figure(graded(flat_at_28), "shapes-clip")(False).axes[0]
    ends = [line.get_ydata() for line in axes.lines if line.get_linewidth() == 0.6]
    assert ends
    assert all(np.isfinite(heights).all() for heights in ends)


def standing(search: str, mean: float, *ends: float, model: str = "ar") -> Standing:
    return Standing(Method(model, search, "nfe"), mean, mean - 0.1, mean + 0.1, (0.9 - mean, *ends), Reading(np.full((16, 1), mean)))


BEST = standing("beam", 0.9, 0.0, 0.0)
UNTOLD, NEAR, FAR = (math.nan, math.nan), (-0.1, 0.2), (0.01, 0.3)


@pytest.mark.parametrize(("next_", "last", "rival", "sure"), [
    (NEAR, UNTOLD, "greedy", NOT_SEPARABLE), (UNTOLD, NEAR, "greedy", TOO_FEW), (FAR, UNTOLD, "smc", TOO_FEW),
    (FAR, NEAR, "smc", NOT_SEPARABLE), (FAR, FAR, "greedy", YES),
])  # fmt: skip
def test_the_word_is_that_of_the_pair_that_is_named(
    graded: Callable[[Grade], Summary], next_: tuple[float, float], last: tuple[float, float], rival: str, sure: str
) -> None:
    summary = graded(coin)
    below = standing("greedy", 0.85, *next_), standing("smc", 0.8, *last)
    comparison = Comparison("nfe", 56, False, (BEST, *below), (), 16)
    said = verdict(summary, comparison)
    assert said.sure == sure
    assert said.lead.endswith(f" over ar + {rival}")
    assert ("[" in said.lead) == (sure != TOO_FEW)
    prompts = outlook(summary, comparison)
    assert bool(prompts) == (sure == NOT_SEPARABLE)
    assert all(f"from ar + {rival} takes" in text for text in prompts)
    assert said.behind == tuple(f"ar + {name}" for name, ends in (("greedy", next_), ("smc", last)) if ends == FAR)
    noted = without_interval(summary, comparison)
    assert bool(noted) == (UNTOLD in (next_, last))
    assert all(text.startswith("The lead over ar + ") for text in noted)


def test_where_a_task_has_one_prompt_that_is_why_no_lead_has_an_interval(graded: Callable[[Grade], Summary]) -> None:
    """Eight prompts of one task and one of the other, all right by one model and wrong by the other: they all differ."""

    def grade(rows: pd.DataFrame) -> np.ndarray:
        return np.where((rows["task"] == "colors") | (rows["prompt_id"] == "00008"), rows["model"] == "shapes-flux", np.nan)

    found = answer(graded(grade))
    assert "too many scores are missing (every task needs two prompts that have one)" in found.headline
    assert not any("no interval" in text for text in found.sentences)


@pytest.mark.parametrize("risen", [5, 6])
def test_a_paired_difference_of_fewer_than_six_prompts_has_no_interval(risen: int, graded: Callable[[Grade], Summary]) -> None:
    def grade(scores: pd.DataFrame) -> np.ndarray:
        return (scores["model"] == "shapes-infinity") & (scores["task"] == "colors") & (scores["prompt_id"].rank(method="dense") <= risen)

    frame = paired_table(graded(grade)).frame
    assert len(frame) == 3
    assert (frame["difference"] == risen / 16).all()
    assert (frame["low"].isna() == (risen < 6)).all()


def test_what_costs_nothing_is_no_share_and_no_multiple(make_tables: MakeRun, tmp_path: Path) -> None:
    folder = make_tables(tmp_path / "run", budgets=(14, 56), tasks=("colors",))
    for name in ("candidates", "selections"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        table[[column for column in table if column.endswith("flops")]] = 0
        table.to_parquet(folder / f"{name}.parquet")
    summary = summarise(read_runs([folder]))
    assert {row["verifier FLOPs"] for row in spent_table(summary, "shapes-reward", "spent").rows} == {NOTHING}
    assert paired_table(summary).frame["flops_ratio"].isna().all()


@pytest.mark.parametrize("risen", [5, 6])
def test_a_rise_on_fewer_than_six_prompts_is_no_verdict_on_a_verifier(risen: int, graded: Callable[[Grade], Summary]) -> None:
    def grade(scores: pd.DataFrame) -> np.ndarray:
        return (scores["budget"] == 56) & (scores["task"] == "colors") & (scores["prompt_id"].rank(method="dense") <= risen)

    table = overoptimised_table(graded(grade))
    assert (table.frame["truth"] == risen / 16).all()
    few = risen < 6
    assert (table.frame["truth_low"].isna() == few).all()
    assert ({row["verdict"] for row in table.rows} == {TOO_FEW}) == few

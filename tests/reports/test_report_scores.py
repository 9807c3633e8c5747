"""Reports of suites whose grades are scores, of all tasks or of some: words, pictures, ends of intervals, trust."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports import curves
from reports.build import build_report
from reports.gallery import gallery, judgement, shown
from reports.gallery_figure import gallery_figure
from reports.grades import SCORES, VERDICTS, Grades, grades_of
from reports.load import read_runs
from reports.notes import notes
from reports.overoptimised import overoptimised_figure, overoptimised_table
from reports.reliability import reliability_figure, reliability_table
from reports.summary import Summary, summarise
from reports.tables import results_table
from reports.tree import find_tree, tree_figure
from reports.trust import trust_table
from verifiers.auroc import auroc_within
from verifiers.concordance import concordance_by_pool

MakeRun = Callable[..., Path]
Ends = Mapping[str, Sequence[float | None]]
BOTH: Ends = {"color": [0, 1], "non_spatial": [-1, 1]}
TASKS = ("color", "non_spatial", "counting")
"""A product of probabilities, a cosine, and right or wrong."""
SHIFT = {"color": (0.5, 0.2), "non_spatial": (0.2, -0.1)}


def scored(make: MakeRun, folder: Path, tasks: Sequence[str] = TASKS, declared: Ends | None = BOTH, **fields: Any) -> Path:
    """A run whose grades of `color` and `non_spatial` lie between their ends: the right of a made-up run higher, none of them 0 or 1."""
    run = make(folder, **{"tasks": tuple(tasks), "prompts": 4, "searches": ("random", "beam:width=2"), "budgets": (14, 56),
                          "verifiers": ("shapes-reward",), "models": {"shapes-infinity": "ar"}, "picture_px": 12} | fields)  # fmt: skip
    tables = {name: pd.read_parquet(run / f"{name}.parquet") for name in ("candidates", "scores")}
    for task, (spread, low) in SHIFT.items():
        for name, column in (("candidates", "truth"), ("scores", "value")):
            table = tables[name]
            ours = (table["task"] == task) & (True if name == "candidates" else table["metric"] == "grade")
            place = table["prompt_id"].map(hash_of)
            table.loc[ours, column] = low + spread * (0.6 * table[column] + 0.4 * place)
    for name, table in tables.items():
        table.to_parquet(run / f"{name}.parquet")
    path = run / "manifest.json"
    manifest = json.loads(path.read_text())
    if declared is not None:
        manifest["suite"]["scores"] = {task: declared[task] for task in declared if task in tasks}
    path.write_text(json.dumps(manifest))
    return run


def hash_of(prompt: str) -> float:
    """A number between 0 and 1 of a prompt."""
    return int(prompt) * 0.37 % 0.9 + 0.05


def summary_of(run: Path) -> Summary:
    return summarise(read_runs([run]))


@pytest.mark.usefixtures("without_figures")
def test_a_page_of_scores_calls_no_image_right(make_run: MakeRun, tmp_path: Path) -> None:
    run = scored(make_run, tmp_path / "run", tasks=("color", "non_spatial"), prompts=6)
    build_report([run], tmp_path / "out")
    page, text = ((tmp_path / "out" / name).read_text() for name in ("index.html", "report.md"))
    for told in (re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL), text):
        no_verdict = "say of no image that it is right or wrong"
        for said in ("Mean score by the grader", "Numbers on pictures: the grader’s score.", no_verdict):
            assert said in told
        told = told.replace(no_verdict, "")
        assert not re.search(r"right by|right image|is right|AUROC within|share of images", told, re.IGNORECASE)
    assert not re.search(r'class="(right|wrong)"', page)
    numbers = re.findall(r'<td class="graded"><span class="pic" data-grade="([−0-9.]+)"><img [^>]*alt="[^"]*, grade ([−0-9.]+), ', page)
    assert len(numbers) == 6
    assert all(number == said for number, said in numbers)


def test_tasks_have_their_own_ends(make_tables: MakeRun, tmp_path: Path) -> None:
    """Nothing but 0 of four prompts leaves open what each task's scores can be, and no more: 1 - 0.025^(1/4) of the way to its ends."""
    run = scored(make_tables, tmp_path / "run")
    scores = pd.read_parquet(run / "scores.parquet")
    scores.loc[scores["metric"] == "grade", "value"] = 0.0
    scores.to_parquet(run / "scores.parquet")
    found = summary_of(run)
    one = found.points[(found.points["metric"] == "grade") & (found.points["search"] == "random")].drop_duplicates("task").set_index("task")
    reach = 1 - 0.025**0.25
    ends = {task: (row["low"], row["high"]) for task, row in one.iterrows()}
    assert ends["color"] == ends["counting"] == pytest.approx((0, reach))
    assert ends["non_spatial"] == pytest.approx((-reach, reach))
    reach = 1 - 0.025 ** (1 / 12)
    assert ends["overall"] == pytest.approx((-(1 - 0.025**0.25) / 3, reach)), "below, one task of three has room"
    least, most, _ = (np.ravel(end).tolist() for end in found.ends("grade"))
    assert (least, most) == ([0, -1, 0], [1, 1, 1])
    mean, low, high = found.sample.difference(np.zeros(12), found.ends("grade"))
    assert mean == 0
    assert 0.3 < high == -low < 4 / 3, "two cosines can lie 2 apart, the others 1"
    told = found.sample.together(np.zeros((12, 2)), found.ends("grade"))
    assert (told.high_G <= 4 / 3).all()


def test_a_suite_of_both_kinds_has_both_sorts_of_pictures_and_of_trust(make_run: MakeRun, tmp_path: Path) -> None:
    run = scored(make_run, tmp_path / "run")
    found = summary_of(run)
    assert [found.grades.kind(task) for task in TASKS] == [SCORES, SCORES, VERDICTS]
    assert found.metric_phrase("grade") == "mean score by the grader"
    assert found.metric_name("grade", "counting") == "right by the grader"
    assert judgement(found) == "Frames and signs: right or wrong by the grader. Numbers on pictures: the grader’s score."
    assert "by their grades" in shown(found)
    blocks = {block.task: block for block in gallery(found)}
    marks = {task: {c.mark for _, choices in block.rows for c in choices if c} for task, block in blocks.items()}
    assert marks["counting"] <= {"right", "wrong"}
    assert all(re.fullmatch(r"grade −?0\.\d\d", mark) for mark in marks["color"] | marks["non_spatial"])
    letters = [text.get_text() for axes in gallery_figure(list(blocks.values())).axes for text in axes.texts]
    assert {mark.removeprefix("grade ") for mark in marks["color"]} <= set(letters)
    assert {"✓", "✗"} & set(letters)
    note = next(note for note in notes(found) if "grades are scores" in note)
    assert note.startswith("The grader's grades are scores in color and non spatial; in counting they say right (1) or wrong (0).")

    trust = trust_table(found)
    random = trust.frame[trust.frame["search"] == "random"].set_index("grades")
    table = pd.read_parquet(run / "candidates.parquet")
    table = table[table["truth"].notna()].drop_duplicates(["search", "seed", "prompt_id", "candidate", "step", "score"])
    pools = ["prompt_id", "seed", "budget"]
    of_verdicts, of_scores = table[table["task"] == "counting"], table[table["task"] != "counting"]
    assert random.loc[VERDICTS, "within"] == pytest.approx(auroc_within(of_verdicts["score"], of_verdicts["truth"], of_verdicts[pools]))
    by_pool = concordance_by_pool(of_scores["score"], of_scores["truth"], of_scores[pools])
    assert random.loc[SCORES, "within"] == pytest.approx(by_pool.groupby(level=0).mean().mean())
    assert np.isnan(random.loc[SCORES, "pooled"])
    assert random.loc[SCORES, "chance"] < random.loc[SCORES, "best"] <= random.loc[SCORES, "highest"] < 1
    assert [row["grades"] for row in trust.rows] == trust.frame["grades"].tolist()
    within = f"{random.loc[VERDICTS, 'within']:.2f}"
    assert within in {row["concordance within a prompt"] for row in trust.rows}, "of two grades it is AUROC"
    reliability = reliability_table(found, trust)
    assert "next to its concordance, all on" in reliability.caption
    assert {row["grades"] for row in reliability.rows} == {SCORES, VERDICTS}
    assert reliability_figure(reliability).axes[0].get_ylabel() == "concordance within a prompt"


def test_a_tree_has_numbers_where_grades_are_scores(make_run: MakeRun, tmp_path: Path) -> None:
    for task, kind in (("color", SCORES), ("counting", VERDICTS)):
        found = summary_of(scored(make_run, tmp_path / task, tasks=(task,)))
        tree = find_tree(found)
        assert tree is not None
        assert tree.kind == kind
        assert ("Numbers on pictures: the grader's score" in tree.caption) == (kind == SCORES)
        texts = {text.get_text() for text in tree_figure(found, tree).axes[0].texts}
        assert bool({"✓", "✗"} & texts) == (kind == VERDICTS)


def test_axes_of_scores_are_not_those_of_shares(make_tables: MakeRun, tmp_path: Path) -> None:
    found = summary_of(scored(make_tables, tmp_path / "run"))
    color, cosine, counting = curves.task_figure(found, "shapes-reward", "nfe")(False).axes
    assert len({axes.get_ylim() for axes in (color, cosine, counting)}) == 3
    assert cosine.get_ylabel() == "score by the grader"
    assert counting.get_ylabel() == "right by the grader"
    assert counting.get_ylim() == (-0.06, 1.06)
    assert cosine.get_ylim()[0] < 0
    few = summary_of(scored(make_tables, tmp_path / "few", prompts=1))
    assert overoptimised_figure(few).axes[0].get_ylim() != (-0.06, 1.06)
    assert "score by the grader" in overoptimised_table(few).rows[0]


def test_a_run_from_before_kinds_were_declared_is_read_by_its_grades(make_tables: MakeRun, tmp_path: Path) -> None:
    run = scored(make_tables, tmp_path / "run", declared=None)
    found = summary_of(run)
    assert [found.grades.kind(task) for task in TASKS] == [SCORES, SCORES, VERDICTS]
    least, most, _ = (np.ravel(end).tolist() for end in found.ends("grade"))
    seen = found.values["grade"].stack(level=list(range(found.values["grade"].columns.nlevels)), future_stack=True).groupby(level="task")
    assert least == [seen.min()["color"], seen.min()["non_spatial"], 0]
    assert most == [seen.max()["color"], seen.max()["non_spatial"], 1]
    scores = pd.read_parquet(run / "scores.parquet")
    scores.loc[scores["metric"] == "grade", "value"] = 0.0
    scores.to_parquet(run / "scores.parquet")
    assert grades_of(read_runs([run])).kind("color") == SCORES, "candidates tell, too"


def test_a_search_that_returned_nothing_has_the_score_of_nothing(make_tables: MakeRun, tmp_path: Path) -> None:
    ends: Ends = {"color": [0, 1], "non_spatial": [0.1, None], "counting": [None, 5]}
    run = scored(make_tables, tmp_path / "run", declared=ends)
    selections, scores = (pd.read_parquet(run / f"{name}.parquet") for name in ("selections", "scores"))
    some = ["00000", "00004", "00008"]
    empty, unscored = ((table["search"] != "random") & table["prompt_id"].isin(some) for table in (selections, scores))
    selections.loc[empty, ["candidate", "image", "score", "considered"]] = "", "", np.nan, 0
    scores.loc[unscored, "value"] = np.nan
    selections.to_parquet(run / "selections.parquet")
    scores.to_parquet(run / "scores.parquet")
    found = summary_of(run)
    grades = found.values["grade"].xs("beam:width=2", axis=1, level="search").xs(56.0, axis=1, level="budget").iloc[:, 0]
    assert grades["color", "00000"] == 0
    assert grades["non_spatial", "00004"] == 0.1
    assert np.isnan(grades["counting", "00008"])
    note = next(note for note in notes(found) if "returned no image" in note)
    assert "Nothing returned counts as 0 or the nearest grade there is (left out where scores have no least), and has no score" in note
    assert "which counts as 0 or the nearest grade there is" in results_table(found, "shapes-reward", "results").caption


def test_nothing_counts_as_the_score_nearest_to_0() -> None:
    grades = Grades({"a": (-1, 1), "b": (1, 10), "c": (float("nan"), 1), "d": (-5, -2)})
    assert [grades.of_nothing(task) for task in "abd"] == [0, 1, -2]
    assert np.isnan(grades.of_nothing("c"))
    assert grades.of_nothing("of right and wrong") == 0

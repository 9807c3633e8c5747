"""The reference of a report is random search by its name: another search whose name begins the same is a search like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from reports.comparison_tables import paired_table
from reports.load import read_runs
from reports.summary import Summary, is_random, is_single, of_random, summarise
from reports.tree import find_tree


def summary_of(make_tables: Callable[..., Path], folder: Path, *searches: str) -> Summary:
    return summarise(read_runs([make_tables(folder / "run", models={"shapes-infinity": "ar"}, searches=searches, budgets=(7, 14, 28))]))


def test_only_the_name_counts() -> None:
    assert is_random("random")
    assert is_random("random:candidates=4")
    assert not is_random("random-x")
    rows = pd.DataFrame({"search": ["random", "randomised:candidates=4"], "considered": [1, 1]})
    assert list(of_random(rows)) == list(is_single(rows)) == [True, False]
    assert not of_random(rows.iloc[:0]).any()


def test_a_search_of_another_package_is_compared_with_random_search(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    summary = summary_of(make_tables, tmp_path, "random-x", "random")
    assert [method.search for method in summary.methods] == ["random", "random-x"]
    assert set(is_single(summary.points).groupby(summary.points["search"]).any().items()) == {("random", True), ("random-x", False)}
    rows = paired_table(summary).frame
    assert len(rows)
    assert set(rows["search"]) == {"random-x"}


def test_a_tree_is_of_beam_search_and_of_no_other_where_there_is_one(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    tree = find_tree(summary_of(make_tables, tmp_path, "beam:width=2", "beamer"))
    assert tree is not None
    assert "beam:width=2" in tree.caption


def test_a_tree_of_an_ensemble_says_that_its_scores_are_ranks(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    plain = find_tree(summary_of(make_tables, tmp_path, "beam:width=2"))
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    for card in manifest["verifiers"].values():
        card["score_range"] = [float("-inf"), -1.0]
    path.write_text(json.dumps(manifest))
    ranked = find_tree(summarise(read_runs([tmp_path / "run"])))
    assert plain is not None
    assert ranked is not None
    assert "ranks" not in plain.caption
    assert "Scores are ranks among all of these" in ranked.caption

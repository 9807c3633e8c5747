"""What a report reads of runs of millions of candidates: no more than it shows, and the same as by looking at them one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.assignments import name_of
from harness.commands import finishing
from harness.commands.run import report
from harness.compute.ledger import COST_COLUMNS
from harness.errors import WrongInput
from reports import gallery
from reports.load import read_runs
from reports.summary import Summary, summarise
from reports.tree import find_tree
from reports.trust import _chosen
from results.schema import TABLES

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module", params=["beam:width=2", "greedy", "random"])
def summary(request: pytest.FixtureRequest, make_tables: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    searches = tuple(dict.fromkeys(("random", "greedy", request.param)))
    two = {"tasks": ("counting", "colors"), "seeds": (0, 1)}
    folder = make_tables(tmp_path_factory.mktemp("run") / "run", searches=searches, budgets=(28, 112, 700), nan_share=0.1, **two)
    return summarise(read_runs([folder]))


def test_costs_of_candidates_are_not_read(summary: Summary) -> None:
    assert {"score", "truth", "parent", "image"} < set(summary.runs.candidates)
    assert not set(COST_COLUMNS) & set(summary.runs.candidates)
    assert set(COST_COLUMNS) < set(summary.runs.selections)


def test_the_tree_is_the_one_found_by_looking_at_every_search(summary: Summary) -> None:
    runs = summary.runs
    table = runs.candidates[(runs.candidates["verifier"] == runs.verifiers[0]) & (runs.candidates["step"] > 0)]
    best, nodes = None, None
    for (search, *_), part in table.groupby(["search", "model", "budget_unit", "budget", "seed", "prompt_id"]):
        if (part["parent"] != "").any() and (part["image"] != "").mean() > 0.9:
            fits = len(part) <= 72
            rank = name_of(str(search)) == "beam", fits, len(part) if fits else -len(part)
            if best is None or rank >= best:
                best, nodes = rank, part
    found = find_tree(summary)
    assert (found is None) == (nodes is None)
    if found is not None and nodes is not None:
        # The truth of the picture returned is added to the tree.
        expected = nodes.drop(columns="truth").sort_values("order").reset_index(drop=True)
        pd.testing.assert_frame_equal(found.nodes[expected.columns], expected)


def test_accuracy_is_that_of_every_pool(summary: Summary) -> None:
    table = summary.runs.candidates
    part = table[(table["search"] == "random") & table["score"].notna()].round({"score": 0})
    part = part.assign(right=part["truth"] > 0.5)
    found = []
    for (prompt, *_), pool in part.groupby(["prompt_id", "seed", "budget"]):
        if pool["right"].nunique() > 1:
            best = pool.loc[pool["score"] == pool["score"].max(), "right"]
            found.append((prompt, best.mean(), pool["right"].mean()))
    means = pd.DataFrame(found, columns=["prompt", "best", "chance"]).groupby("prompt").mean().mean()
    assert _chosen(part) == {"best": means["best"], "chance": means["chance"], "highest": 1}
    assert np.isnan([*_chosen(part[part["right"]]).values()]).all(), "no pool has right and wrong"


def test_a_picture_cut_short_is_named_with_the_way_out(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", searches=("random",), budgets=(14,), tasks=("colors",))
    for path in (folder / "images").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(WrongInput, match=r"images/\w+\.png is damaged \(.*\): remove it, and the same `vistas run` command makes it again"):
        gallery.gallery(summarise(read_runs([folder])))


def test_a_folder_that_takes_no_report_is_refused_before_anything_is_read(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(tmp_path / "run", searches=("random",), budgets=(14,), tasks=("colors",))
    (folder / "report").write_text("taken")
    monkeypatch.setattr(finishing, "build_report", lambda *_: pytest.fail("begun"))
    with pytest.raises(SystemExit) as left:
        report([folder], None)
    assert left.value.code == 2
    assert f"{folder / 'report'} is a file, not a folder: give a folder with --out" in capsys.readouterr().err


def test_parts_are_read_through_a_folder_that_is_gone_afterwards(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(tmp_path / "run", searches=("random",), budgets=(14,), tasks=("colors",))
    (tmp_path / "place").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "place"))
    for name in TABLES:
        (folder / f"{name}.parquet").unlink()
    with pytest.raises(WrongInput, match="has no finished unit yet"):
        read_runs([folder], unfinished=True)
    assert not list((tmp_path / "place").iterdir())

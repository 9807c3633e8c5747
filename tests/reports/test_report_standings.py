"""The table of docs/searches.md: what each search won or lost against random search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.standings import main, standings
from results.schema import TABLES

MakeRun = Callable[..., Path]
FIELDS = {"verifiers": ("clip",), "tasks": ("counting", "colors"), "prompts": 6, "budgets": (28, 56)}


def lines(*folders: Path) -> dict[tuple[str, ...], list[str]]:
    """Model, verifier, budget and search to the other cells, in the table's order."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in standings(folders).splitlines()[2:]]
    return {tuple(row[:4]): row[4:] for row in cells}


@pytest.fixture
def run(make_tables: MakeRun, tmp_path: Path) -> Path:
    """Two prompts of one task and six of another."""
    run = make_tables(tmp_path / "run", models={"infinity": "ar"}, searches=("random", "beam"), seeds=(0, 1), **FIELDS)
    for name in TABLES:
        table = pd.read_parquet(run / f"{name}.parquet")
        table[table["prompt_id"] >= "00004"].to_parquet(run / f"{name}.parquet")
    return run


def graded(run: Path) -> pd.DataFrame:
    """Of 56 NFE each prompt's mean over seeds, by search."""
    scores = pd.read_parquet(run / "scores.parquet").query("metric == 'grade' and budget == 56")
    return scores.pivot_table(index=["task", "prompt_id"], columns="search", values="value")


def test_grades_and_differences_are_means_over_tasks_of_what_the_seeds_of_a_prompt_have_on_average(run: Path) -> None:
    found, grades = lines(run), graded(run)
    difference = (grades["beam"] - grades["random"]).groupby("task")
    error = np.sqrt((difference.var(ddof=1) / difference.size()).sum()) / 2
    beam, random = found["infinity", "clip", "56 NFE", "beam"], found["infinity", "clip", "56 NFE", "random"]
    means = grades.groupby("task").mean().mean()
    assert (beam[0], random[0]) == (f"{means['beam']:.3f}", f"{means['random']:.3f}")
    assert means["beam"] != pytest.approx(grades["beam"].mean()), "prompts do not weigh the same"
    assert (beam[1:3], random[1:3]) == (["8", f"{difference.mean().mean():+.3f} ± {error:.3f}"], ["8", "reference"])
    spent = pd.read_parquet(run / "selections.parquet").query("budget == 56 and search == 'beam'")
    assert beam[3] == f"{spent['nfe'].mean():.0f}, {spent['flops'].mean() / 1e9:.3g}"
    at_56 = [key[3] for key in found if key[2] == "56 NFE"]
    assert [found["infinity", "clip", "56 NFE", search][0] for search in at_56] == sorted((beam[0], random[0]), reverse=True)


def test_runs_and_verifiers_have_lines_of_their_own(make_tables: MakeRun, tmp_path: Path) -> None:
    two = {**FIELDS, "verifiers": ("clip", "reward")}
    one = make_tables(tmp_path / "one", models={"infinity": "ar"}, searches=("random",), **two)
    other = make_tables(tmp_path / "other", models={"flux": "diffusion"}, searches=("zero-order",), **two)
    found = lines(one, other)
    assert {key[:2] for key in found} == {(model, verifier) for model in ("infinity", "flux") for verifier in ("clip", "reward")}
    assert {row[2] for key, row in found.items() if key[0] == "flux"} == {"no random search to compare with"}


def test_nothing_returned_is_wrong(run: Path) -> None:
    before = graded(run)
    for name in ("selections", "scores"):
        table = pd.read_parquet(run / f"{name}.parquet")
        late = (table["search"] == "beam") & (table["prompt_id"] == "00004")
        if name == "selections":
            table.loc[late, ["candidate", "image", "score", "considered"]] = "", "", np.nan, 0
        else:
            table.loc[late, "value"] = np.nan
        table.to_parquet(run / f"{name}.parquet")
    before.loc[("counting", "00004"), "beam"] = 0
    assert lines(run)["infinity", "clip", "56 NFE", "beam"][0] == f"{before['beam'].groupby('task').mean().mean():.3f}"


@pytest.mark.parametrize("folders", [[], ["nowhere"]])
def test_what_is_no_run_is_refused(folders: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["standings", *folders])
    with pytest.raises(SystemExit, match="give folders of finished runs"):
        main()

"""The table of an ablation on tasks of unlike numbers of prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from harness.ablation import Ablation
from reports.ablation import ablation_table
from reports.load import read_runs
from reports.summary import summarise
from results.schema import TABLES


def test_every_mean_is_over_tasks_the_verifiers_own_as_well(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    run = make_tables(
        tmp_path / "run", models={"shapes-infinity": "ar"}, searches=("random", "greedy"), verifiers=("clip",), budgets=(56,),
        tasks=("counting", "colors"), prompts=6,
    )  # fmt: skip
    for name in TABLES:
        table = pd.read_parquet(run / f"{name}.parquet")
        table[table["prompt_id"] >= "00004"].to_parquet(run / f"{name}.parquet")
    shown = ablation_table(summarise(read_runs([run])), Ablation("one", "Does it help?", "search", "random", {})).frame.set_index("search")
    of_tasks = pd.read_parquet(run / "scores.parquet").groupby(["metric", "search", "task"])["value"].mean()
    scores = of_tasks.groupby(["metric", "search"]).mean()
    assert shown["mean"].to_dict() == pytest.approx(scores["grade"].to_dict())
    assert shown["own_score"].to_dict() == pytest.approx(scores["clip"].to_dict())
    assert shown.loc["greedy", "difference"] == pytest.approx(scores["grade", "greedy"] - scores["grade", "random"])

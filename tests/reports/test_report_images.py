"""A run that was budgeted in images: they are an axis of its report, the first, and of no other's."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.answer import answer
from reports.build import build_report
from reports.comparison_tables import paired_table
from reports.curves import main_figure
from reports.load import read_runs
from reports.summary import Summary, summarise
from results.schema import TABLES

VERIFIER = "shapes-reward"


@pytest.fixture
def run(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """Random and greedy search of one model: 4 and 8 images a prompt."""
    folder = make_run(
        tmp_path / "run", models={"shapes-infinity": "ar"}, searches=("random", "greedy"), verifiers=(VERIFIER,), budgets=(28, 56),
        tasks=("counting",), prompts=6, picture_px=12,
    )  # fmt: skip
    for name in TABLES:
        table = pd.read_parquet(folder / f"{name}.parquet")
        table.assign(budget_unit="images", budget=table["budget"] / 7).to_parquet(folder / f"{name}.parquet")
    return folder


def titles(summary: Summary) -> list[str]:
    return [axes.get_title(loc="left") for axes in main_figure(summary, VERIFIER)(False).axes]


@pytest.mark.usefixtures("module_coarse")
def test_images_are_the_first_axis(run: Path) -> None:
    summary = summarise(read_runs([run]))
    assert titles(summary) == ["by images", "by NFE", "by FLOPs", "by seconds"]
    assert "images ratio" in paired_table(summary).columns
    page = build_report([run], run / "report").read_text()
    assert re.findall(r'id="task-unit-(\w+)" checked', page) == ["images"]
    assert "against four measures of compute" in page
    assert (run / "report" / "figures" / "tasks-images.png").is_file()


def test_looks_that_a_budget_in_images_counts_are_told_of(run: Path) -> None:
    said = "A budget in images also counts looks at previews; images spent are finished ones."
    table = pd.read_parquet(run / "selections.parquet").assign(images=lambda rows: rows["verifier_calls"])
    for looks in (0, 3):
        table.assign(verifier_calls=table["verifier_calls"] + looks).to_parquet(run / "selections.parquet")
        assert (said in answer(summarise(read_runs([run]))).sentences) == bool(looks)


def test_of_other_units_they_are_none(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    summary = summarise(read_runs([make_tables(tmp_path / "run", searches=("random", "greedy"), verifiers=(VERIFIER,), budgets=(28,))]))
    assert titles(summary) == ["by NFE", "by FLOPs", "by seconds"]
    assert "images ratio" not in paired_table(summary).columns

"""Budgets in seconds in a report: who was still at work when the time was up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from harness.errors import WrongInput
from reports import deadlines
from reports.build import build_report
from reports.comparison_tables import equal_tables
from reports.deadlines import COLUMN, overruns
from reports.load import read_runs
from reports.notes import notes
from reports.same_budget import shared
from reports.summary import Summary, summarise
from reports.tables import spent_table
from results.schema import ADDED, OVERRUN, TABLES, TOTALS

VERIFIER = "shapes-reward"


@pytest.fixture
def timed(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """Two searches with one budget of 56 seconds: beam was late for two prompts of six, random serves a pool."""
    run = make_run(
        tmp_path / "run", models={"shapes-infinity": "ar"}, searches=("random", "beam:width=2"), verifiers=(VERIFIER,), budgets=(56,),
        tasks=("counting",), prompts=6, picture_px=12,
    )  # fmt: skip
    for name in TABLES:
        table = pd.read_parquet(run / f"{name}.parquet").assign(budget_unit="seconds")
        if name == "selections":
            beam = table["search"] == "beam:width=2"
            table.loc[beam, OVERRUN] = [0.0, 0.5, 0.0, 1.5, 0.0, 0.0]
            table.loc[beam, [*TOTALS.values()]] = table.loc[beam, [*TOTALS]].to_numpy()
            table.loc[beam & (table[OVERRUN] > 0), [TOTALS["flops"], TOTALS["seconds"]]] += [6e9, 3.0]
        table.to_parquet(run / f"{name}.parquet")
    return run


def summary(run: Path) -> Summary:
    return summarise(read_runs([run]))


@pytest.mark.usefixtures("without_figures")
def test_methods_that_were_given_seconds_say_how_often_they_were_late(timed: Path) -> None:
    found = summary(timed)
    tables = [equal_tables(found, VERIFIER, shared(found, VERIFIER))[0], spent_table(found, VERIFIER, "spent")]
    for table in tables:
        assert {row["search"]: row[COLUMN] for row in table.rows} == {"random": "–", "beam:width=2": "2 of 6, by 1 s"}
    note = next(note for note in notes(found) if "deadline for choosing" in note)
    assert "2 of 6 searches were still at work when their time was up, by 1.5 s at most" in note
    assert "from one pool are not among them" in note
    assert "its cost is in every figure of what was spent" in note
    assert not any("no search spends more than it was given" in note for note in notes(found))
    page = build_report([timed], timed / "report")
    assert COLUMN in page.read_text()
    assert COLUMN in (timed / "report" / "report.md").read_text()


def test_what_was_run_in_vain_is_on_the_axes(timed: Path) -> None:
    selections = pd.read_parquet(timed / "selections.parquet").groupby("search")[["flops", "seconds"]].mean()
    points = summary(timed).points.query("metric == 'grade' and task == 'overall'").set_index("search")
    for search, (flops, seconds) in {"beam:width=2": (2e9, 1.0), "random": (0.0, 0.0)}.items():
        assert points.loc[search, "flops"] == pytest.approx(selections.loc[search, "flops"] + flops)
        assert points.loc[search, "seconds"] == pytest.approx(selections.loc[search, "seconds"] + seconds)


def test_selections_are_grouped_once_for_a_table(timed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = summary(timed), []
    monkeypatch.setattr(deadlines, "overruns", lambda summary: asked.append(summary) or overruns(summary))
    assert len(spent_table(found, VERIFIER, "spent").rows) == 2
    assert len(asked) == 1


def test_other_units_have_no_deadline(make_run: Callable[..., Path], tmp_path: Path) -> None:
    found = summary(make_run(tmp_path / "run", budgets=(56,), prompts=1, picture_px=12))
    assert not any("deadline" in note for note in notes(found))
    assert COLUMN not in spent_table(found, VERIFIER, "spent").columns
    assert COLUMN not in equal_tables(found, VERIFIER, shared(found, VERIFIER))[0].columns


def of_schema(version: int, run: Path) -> None:
    """The run's selections without the columns that came after this version, and its manifest with it."""
    later = [column for column, first in ADDED.items() if first > version]
    selections = pd.read_parquet(run / "selections.parquet").drop(columns=later)
    selections.to_parquet(run / "selections.parquet")
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"schema_version": version}))


def test_tables_that_are_older_are_read_without(timed: Path) -> None:
    of_schema(ADDED[OVERRUN] - 1, timed)
    found = summary(timed)
    assert {row[COLUMN] for row in spent_table(found, VERIFIER, "spent").rows} == {"–"}
    assert any("These tables do not say how long searches went on." in note for note in notes(found))


def test_tables_that_know_only_the_seconds_say_so(timed: Path) -> None:
    of_schema(ADDED[OVERRUN], timed)
    found = summary(timed)
    assert any("its cost is in no figure of what was spent, as tables are older" in note for note in notes(found))
    selections = pd.read_parquet(timed / "selections.parquet").groupby("search")["flops"].mean()
    points = found.points.query("metric == 'grade' and task == 'overall'").set_index("search")
    assert points["flops"].to_dict() == pytest.approx(selections.to_dict())


def test_tables_that_have_lost_a_column_are_refused(timed: Path) -> None:
    of_schema(ADDED[OVERRUN] - 1, timed)
    manifest = json.loads((timed / "manifest.json").read_text())
    (timed / "manifest.json").write_text(json.dumps(manifest | {"schema_version": ADDED[OVERRUN]}))
    with pytest.raises(WrongInput, match=r"selections\.parquet has no column overrun_seconds, .* from schema 4 on .* says 4: .*again"):
        read_runs([timed])
